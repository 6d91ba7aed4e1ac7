//! Removing: many with one request where the service can, and a refusal is told and not an error.

use futures_util::{StreamExt, stream};
use object_store::path::Path;

use super::client::Client;
use super::error::Trouble;
use crate::store::{Removal, StoreErrorKind};

/// What S3 takes with one request.
const AT_ONCE: usize = 1000;

/// What became of each object. S3 does not tell whether an object was there; [`Removal::Removed`] then says that it
/// is not there now.
pub(super) async fn remove(client: &Client, keys: &[Path]) -> Result<Vec<Removal>, Trouble> {
    let mut removals = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(AT_ONCE) {
        removals.extend(remove_chunk(client, chunk).await?);
    }
    Ok(removals)
}

async fn remove_chunk(client: &Client, keys: &[Path]) -> Result<Vec<Removal>, Trouble> {
    let mut removals: Vec<Option<Removal>> = vec![None; keys.len()];
    let mut tries = 0;
    loop {
        let left: Vec<usize> = (0..keys.len()).filter(|index| removals[*index].is_none()).collect();
        let Some(first) = left.first().copied() else { break };
        let asked: Vec<Path> = left.iter().map(|index| keys[*index].clone()).collect();
        let answers = ask(client, asked).await;
        let mut transient = None;
        if answers.len() == left.len() {
            for (index, answer) in left.iter().zip(answers) {
                match settle(answer)? {
                    Ok(removal) => removals[*index] = Some(removal),
                    Err(trouble) => transient = Some(trouble),
                }
            }
        } else {
            // One answer for all: the request itself was not taken.
            let trouble = answers.into_iter().find_map(Result::err);
            let unclear = || Trouble::new(StoreErrorKind::Other, "the store does not say what became of it");
            match settle(Err(trouble.unwrap_or_else(unclear)))? {
                Ok(removal) => left.iter().for_each(|index| removals[*index] = Some(removal.clone())),
                Err(trouble) => transient = Some(trouble),
            }
        }
        if let Some(trouble) = transient {
            // What was answered counts as getting on.
            if removals[first].is_some() {
                tries = 0;
            }
            client.pause(&mut tries, trouble).await?;
        }
    }
    Ok(removals.into_iter().flatten().collect())
}

async fn ask(client: &Client, keys: Vec<Path>) -> Vec<Result<(), Trouble>> {
    let keys = stream::iter(keys.into_iter().map(Ok)).boxed();
    let answers = client.backend.delete_stream(keys).collect::<Vec<_>>();
    match client.once(0, async { Ok(answers.await) }).await {
        Ok(answers) => answers
            .into_iter()
            .map(|answer| answer.map(|_| ()).map_err(|error| client.trouble(&error)))
            .collect(),
        Err(trouble) => vec![Err(trouble)],
    }
}

/// What an answer means; in the inner error what is worth another try.
fn settle(answer: Result<(), Trouble>) -> Result<Result<Removal, Trouble>, Trouble> {
    match answer {
        Ok(()) => Ok(Ok(Removal::Removed)),
        Err(trouble) if trouble.is_transient() => Ok(Err(trouble)),
        Err(trouble) if trouble.kind == StoreErrorKind::Missing && trouble.code != "NoSuchBucket" => {
            Ok(Ok(Removal::Missing))
        }
        Err(trouble) if trouble.is_refusal() => Ok(Ok(Removal::Deferred(trouble.reason))),
        Err(trouble) => Err(trouble),
    }
}
