//! What a caller says about an object store beside its address.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use xb_core::Secret;

/// How to reach an object store. What is not told here is looked for in `variables`, then in the files of
/// `home`, then asked of the machine the program runs on.
#[derive(Clone, Default)]
pub struct ObjectOptions {
    /// The URL of the service, for services other than the provider's own.
    pub endpoint: Option<String>,
    /// The region; only S3 has it.
    pub region: Option<String>,
    /// S3: the access key's id. Azure: the name of the account.
    pub access_key: Option<String>,
    /// S3: the secret access key. Azure: the key of the account.
    pub secret_key: Option<Secret>,
    /// S3: what goes with keys that last a short time.
    pub session_token: Option<Secret>,
    /// Whether the bucket stands in the path of a URL and not in its host name. Not told: it does where an
    /// endpoint is given.
    pub path_style: Option<bool>,
    /// Whether an endpoint on another machine may go without TLS.
    pub allow_http: bool,
    /// A file of certificates (PEM) to be trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The environment, as far as its names begin with `AWS_`, `GOOGLE_` or `AZURE_`.
    pub variables: Vec<(String, String)>,
    /// The user's home directory, for `.aws/credentials` and `.aws/config`.
    pub home: Option<PathBuf>,
    /// How long to try.
    pub patience: Patience,
}

/// The variables may hold secrets.
impl fmt::Debug for ObjectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.variables.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ObjectOptions")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("variables", &names)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl ObjectOptions {
    /// The value of a variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// How long to try what fails by the network or because the store is busy.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often a request is tried at most. A transfer that gets on begins to count again.
    pub tries: u32,
    /// The pause before the second try; it doubles with each, up to 15 seconds.
    pub first_pause: Duration,
    /// How long a store may be silent. A part that is sent may take this long, and what its bytes take at
    /// 128 KiB/s; a peer that does not take bytes for 30 seconds is given up before.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { tries: 8, first_pause: Duration::from_millis(250), silence: Duration::from_secs(30) }
    }
}

/// The slowest line that is taken for one that works, in bytes per second.
const SLOWEST: u64 = 128 * 1024;
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

impl Patience {
    /// The time one request with `bytes` to send may take.
    pub(super) fn limit(&self, bytes: u64) -> Duration {
        self.silence + Duration::from_secs(bytes / SLOWEST)
    }

    /// The pause after so many tries. `chance` spreads those that failed at the same moment over half of it.
    pub(super) fn pause(&self, tries: u32, chance: u8) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << tries.saturating_sub(1).min(16));
        doubled.min(LONGEST_PAUSE).mul_f64(0.5 + f64::from(chance) / 510.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_bounded() {
        let patience = Patience::default();
        assert_eq!(patience.pause(1, 255), Duration::from_millis(250));
        assert_eq!(patience.pause(1, 0), Duration::from_millis(125));
        assert_eq!(patience.pause(3, 255), Duration::from_secs(1));
        assert_eq!(patience.pause(u32::MAX, 255), LONGEST_PAUSE);
        assert_eq!(patience.limit(8 << 20), Duration::from_secs(30 + 64));
    }

    #[test]
    fn an_empty_variable_is_none() {
        let variables = vec![("A".to_owned(), String::new()), ("B".to_owned(), "b".to_owned())];
        let options = ObjectOptions { variables, ..ObjectOptions::default() };
        assert_eq!(
            (options.variable("A"), options.variable("B"), options.variable("C")),
            (None, Some("b"), None)
        );
    }
}
