//! What a run is given by whoever starts it: the library itself asks neither clock nor environment.

use std::path::PathBuf;
use std::sync::Arc;

use xb_pipeline::cancel::CancelToken;
use xb_pipeline::clock::{Clock, SystemClock};
use xb_pipeline::monitor::{Monitor, Silent};

use crate::error::EngineError;

/// Says what to do about an error, the likeliest first.
pub type Advice = Arc<dyn Fn(&EngineError) -> Vec<String> + Send + Sync>;

/// Clock, listener, stop signal and search paths of a run.
#[derive(Clone)]
pub struct Surroundings {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Hears what happens.
    pub monitor: Arc<dyn Monitor>,
    /// Ends the run early.
    pub cancel: CancelToken,
    /// Where programs are sought, in this order.
    pub search_path: Vec<PathBuf>,
    /// Option files read when no `mysql_cnf` is set, in the order in which later ones win.
    pub default_option_files: Vec<PathBuf>,
    /// The account used when nothing names one.
    pub user: Option<String>,
    /// The home directory, in which the tools of object storage keep their credentials.
    pub home: Option<PathBuf>,
    /// Variables by which object storage is configured: those whose names begin with one of
    /// [`Surroundings::CLOUD`].
    pub variables: Vec<(String, String)>,
    /// What notices of a failure advise. By default, what is known of the engine's own messages.
    pub advice: Advice,
}

impl Surroundings {
    /// How the names of variables begin that matter to object storage.
    pub const CLOUD: [&'static str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];
}

impl Default for Surroundings {
    /// The machine's clock, nobody listening, and the usual places of a Linux system.
    fn default() -> Self {
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect();
        Surroundings {
            clock: Arc::new(SystemClock),
            monitor: Arc::new(Silent),
            cancel: CancelToken::new(),
            search_path: paths(&[
                "/usr/local/bin",
                "/usr/bin",
                "/bin",
                "/usr/local/sbin",
                "/usr/sbin",
                "/sbin",
            ]),
            default_option_files: paths(&["/etc/my.cnf", "/etc/mysql/my.cnf"]),
            user: None,
            home: None,
            variables: Vec::new(),
            advice: Arc::new(|error| error.known_advice().map(str::to_owned).into_iter().collect()),
        }
    }
}
