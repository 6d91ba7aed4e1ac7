//! What to do so that a prepared copy holds a chain. Pure.

use xb_core::BackupId;

use super::state::State;

/// What there is to begin with.
#[derive(Debug)]
pub(crate) enum Found {
    /// No copy of this set.
    Nothing,
    /// A copy that can be built upon.
    Usable(State),
    /// A copy of ours that cannot, and why.
    Unusable(String),
    /// A directory in its place that is not ours.
    Foreign,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApplyPlan {
    /// It holds the chain already.
    Nothing,
    /// The members from this one on are applied to what is there.
    Continue {
        /// So many members of the chain are in it.
        from: usize,
    },
    /// It is made from the store.
    Build {
        /// Why what was there does not do; none when there was nothing.
        reason: Option<String>,
    },
}

/// Whether all that is in the copy belongs to the chain, so that the rest can follow.
pub(crate) fn is_prefix(applied: &[BackupId], chain: &[BackupId]) -> bool {
    !applied.is_empty() && chain.starts_with(applied)
}

/// Plans for `chain`, the full backup first. A foreign directory is for the caller to refuse.
pub(crate) fn plan_apply(chain: &[BackupId], found: &Found) -> ApplyPlan {
    match found {
        Found::Nothing | Found::Foreign => ApplyPlan::Build { reason: None },
        Found::Unusable(reason) => ApplyPlan::Build { reason: Some(reason.clone()) },
        Found::Usable(state) if state.applied == chain => ApplyPlan::Nothing,
        Found::Usable(state) if is_prefix(&state.applied, chain) => {
            ApplyPlan::Continue { from: state.applied.len() }
        }
        Found::Usable(state) => {
            let last = state.applied.last().map(ToString::to_string).unwrap_or_default();
            ApplyPlan::Build {
                reason: Some(format!("it holds {last}, which the newest backup does not build on")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use xb_core::Lsn;

    use super::*;

    fn ids(seconds: &[u32]) -> Vec<BackupId> {
        seconds.iter().map(|second| format!("2026_11_22-10_00_{second:02}").parse().unwrap()).collect()
    }

    fn holding(seconds: &[u32]) -> Found {
        let ids = ids(seconds);
        Found::Usable(State::applying(ids[0], ids.clone(), Lsn(1), ids[0]))
    }

    #[test]
    fn only_a_beginning_of_the_chain_is_built_upon() {
        let chain = ids(&[1, 2, 3]);
        assert_eq!(plan_apply(&chain, &holding(&[1, 2, 3])), ApplyPlan::Nothing);
        assert_eq!(plan_apply(&chain, &holding(&[1])), ApplyPlan::Continue { from: 1 });
        assert_eq!(plan_apply(&chain, &Found::Nothing), ApplyPlan::Build { reason: None });
        for other in [&[1, 3][..], &[2], &[1, 2, 3, 4]] {
            let plan = plan_apply(&chain, &holding(other));
            assert!(matches!(plan, ApplyPlan::Build { reason: Some(_) }), "{other:?}: {plan:?}");
        }
    }
}
