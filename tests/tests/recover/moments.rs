//! Every moment can be had again.

use xb_binlog::recover::{Options, ReplayPlan, Target, plan};
use xb_pipeline::cancel::CancelToken;

use crate::load::Chance;
use crate::private::Private;
use crate::story::{END, Moment, STORY, Story, fingerprint};

pub(crate) fn plan_to(story: &Story, target: &Target, options: &Options) -> ReplayPlan {
    plan(
        &story.archive.picture,
        &story.archive,
        &story.start,
        Some(&story.base_gtids),
        target,
        options,
        &CancelToken::new(),
    )
    .unwrap_or_else(|error| panic!("no plan to {target}: {error}"))
}

/// The same moment, said in one of three ways.
pub(crate) fn target(moment: &Moment, way: u64) -> Target {
    match way {
        0 => Target::Time(moment.time),
        1 => Target::Gtid(moment.gtids.clone()),
        _ => Target::Position { epoch: None, coord: moment.at.clone() },
    }
}

#[track_caller]
pub(crate) fn assert_has(private: &Private, moment: &Moment, what: &str) {
    let (checksums, definitions) = fingerprint(&private.server);
    let other = definitions.iter().zip(&moment.has.1).find(|(own, wanted)| own != wanted);
    assert_eq!(other, None, "{what}");
    let differing: Vec<&String> = moment
        .has
        .0
        .iter()
        .filter(|(name, sum)| checksums.get(*name) != Some(*sum))
        .map(|(name, _)| name)
        .collect();
    assert!(differing.is_empty(), "{what}: other rows in {differing:?}");
    assert_eq!(checksums.len(), moment.has.0.len(), "{what}: other tables");
    assert_eq!(definitions, moment.has.1, "{what}");
}

/// Goes from moment to moment on one server, in steps of chance, in one of three ways each.
fn walk(seed: u64, stride: usize) {
    let story = &*STORY;
    let mut chance = Chance::new(seed);
    let mut at = story.start.clone();
    let mut private: Option<Private> = None;
    let mut number = chance.below(stride as u64) as usize;
    while let Some(moment) = story.moments.get(number) {
        let way = chance.below(3);
        let target = target(moment, way);
        // Nothing is in the archive behind the last moment; that it had come so far has to be said.
        let seen = Options { seen_until: Some(story.moments[END].time), ..Options::default() };
        let plan = plan_to(story, &target, &seen);
        let private = private.get_or_insert_with(|| Private::on(&story.base, &plan));
        let what = format!("moment {number} by {target}");
        let done = private.replay(&plan, &at, &story.archive, &CancelToken::new());
        done.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_has(private, moment, &what);
        at = plan.stop.clone();
        number += 1 + chance.below(stride as u64) as usize;
    }
}

#[test]
fn every_moment_can_be_had_again_one_after_the_other() {
    walk(1, 1);
}

#[test]
fn moments_by_chance_can_be_had_again() {
    walk(2, 8);
    walk(3, 12);
}

#[test]
fn the_end_of_the_archive_is_the_last_moment() {
    let story = &*STORY;
    let plan = plan_to(story, &Target::Latest, &Options::default());
    let private = Private::on(&story.base, &plan);
    let report = private.replay(&plan, &plan.start, &story.archive, &CancelToken::new()).unwrap();
    assert_eq!(report.bytes, plan.bytes);
    assert!(report.connections > 1, "there were prepared transactions");
    assert_has(&private, &story.moments[END], "the end");
}
