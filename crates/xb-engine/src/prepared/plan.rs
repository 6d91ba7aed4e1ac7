//! What to do so that a prepared copy holds a chain. Pure.

use super::state::{Applied, State};

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
pub(crate) fn is_prefix(applied: &[Applied], chain: &[Applied]) -> bool {
    !applied.is_empty() && chain.starts_with(applied)
}

/// Plans for `chain`, the full backup first. A foreign directory is for the caller to refuse.
pub(crate) fn plan_apply(chain: &[Applied], found: &Found) -> ApplyPlan {
    match found {
        Found::Nothing | Found::Foreign => ApplyPlan::Build { reason: None },
        Found::Unusable(reason) => ApplyPlan::Build { reason: Some(reason.clone()) },
        Found::Usable(state) if state.applied == chain => ApplyPlan::Nothing,
        Found::Usable(state) if is_prefix(&state.applied, chain) => {
            ApplyPlan::Continue { from: state.applied.len() }
        }
        Found::Usable(state) => {
            let last = state.applied.last().map(|last| last.id.to_string()).unwrap_or_default();
            ApplyPlan::Build { reason: Some(format!("it holds {last}, which is no part of this chain")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The backups of these seconds; `other` ones have the same names and are not the same.
    fn applied(seconds: &[u32], mark: u8) -> Vec<Applied> {
        let backup = |second: &u32| Applied {
            id: format!("2026_11_22-10_00_{second:02}").parse().unwrap(),
            to_lsn: None,
            mark: format!("{mark:02x}").repeat(32).try_into().unwrap(),
        };
        seconds.iter().map(backup).collect()
    }

    fn holding(seconds: &[u32], mark: u8) -> Found {
        let applied = applied(seconds, mark);
        let set = applied[0].id;
        Found::Usable(State::applying(Path::new("/store"), set, applied, set))
    }

    #[test]
    fn only_a_beginning_of_the_chain_is_built_upon() {
        let chain = applied(&[1, 2, 3], 7);
        assert_eq!(plan_apply(&chain, &holding(&[1, 2, 3], 7)), ApplyPlan::Nothing);
        assert_eq!(plan_apply(&chain, &holding(&[1], 7)), ApplyPlan::Continue { from: 1 });
        assert_eq!(plan_apply(&chain, &Found::Nothing), ApplyPlan::Build { reason: None });
        for other in [&[1, 3][..], &[2], &[1, 2, 3, 4]] {
            let plan = plan_apply(&chain, &holding(other, 7));
            assert!(matches!(plan, ApplyPlan::Build { reason: Some(_) }), "{other:?}: {plan:?}");
        }
        let same_names = plan_apply(&chain, &holding(&[1, 2, 3], 8));
        assert!(matches!(same_names, ApplyPlan::Build { reason: Some(_) }), "{same_names:?}");
    }
}
