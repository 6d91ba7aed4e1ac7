//! Where the keys for S3 come from: the settings, the environment, the files of the AWS command line, and last
//! the machine or container the program runs on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use xb_core::Secret;

use super::options::ObjectOptions;

/// What was found out about an account of S3.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Without them the library asks the machine.
    pub(super) keys: Option<Keys>,
    /// Where the keys came from, for messages.
    pub(super) origin: String,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
}

/// What requests are signed with.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) token: Option<Secret>,
}

/// Sections of a file, with the names and values in them.
type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// Ways to get keys that a profile can name and that need another program or a person.
const ELSEWHERE: [&str; 5] =
    ["sso_session", "sso_start_url", "credential_process", "role_arn", "web_identity_token_file"];

impl Account {
    /// Tells in words what is wrong.
    pub(super) fn find(options: &ObjectOptions) -> Result<Self, String> {
        let profile = Profile::read(options)?;
        let region = options.region.clone().or_else(|| {
            let variable = options.variable("AWS_REGION").or(options.variable("AWS_DEFAULT_REGION"));
            variable.map(str::to_owned).or_else(|| profile.value("region"))
        });
        let endpoint = options.endpoint.clone().or_else(|| {
            let variable = options.variable("AWS_ENDPOINT_URL_S3").or(options.variable("AWS_ENDPOINT_URL"));
            variable.map(str::to_owned).or_else(|| profile.value("endpoint_url"))
        });
        let (keys, origin) = find_keys(options, &profile)?;
        Ok(Account { keys, origin, region, endpoint })
    }
}

fn find_keys(options: &ObjectOptions, profile: &Profile) -> Result<(Option<Keys>, String), String> {
    let secret = |text: &str| Secret::new(text);
    let from =
        |id: Option<String>, key: Option<Secret>, token: Option<Secret>, origin: String| match (id, key) {
            (Some(id), Some(secret)) => Ok(Some((Some(Keys { id, secret, token }), origin))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(format!("there is an access key but no secret key in {origin}")),
            (None, Some(_)) => Err(format!("there is a secret key but no access key in {origin}")),
        };
    let settings = "the settings".to_owned();
    let told = from(
        options.access_key.clone(),
        options.secret_key.clone(),
        options.session_token.clone(),
        settings,
    )?;
    if let Some(found) = told {
        return Ok(found);
    }
    let variable = |name| options.variable(name);
    let in_environment = from(
        variable("AWS_ACCESS_KEY_ID").map(str::to_owned),
        variable("AWS_SECRET_ACCESS_KEY").map(secret),
        variable("AWS_SESSION_TOKEN").map(secret),
        "the environment (AWS_ACCESS_KEY_ID)".to_owned(),
    )?;
    if let Some(found) = in_environment {
        return Ok(found);
    }
    let in_file = from(
        profile.value("aws_access_key_id"),
        profile.value("aws_secret_access_key").as_deref().map(secret),
        profile.value("aws_session_token").as_deref().map(secret),
        profile.origin(),
    )?;
    if let Some(found) = in_file {
        return Ok(found);
    }
    if let Some(way) = ELSEWHERE.into_iter().find(|way| profile.value(way).is_some()) {
        return Err(format!(
            "{} has {way} and no keys, which is not supported: put keys into the environment, for example with \
             `aws configure export-credentials`",
            profile.origin()
        ));
    }
    Ok((None, "the machine's metadata service".to_owned()))
}

/// The profile in use, of both files.
struct Profile {
    name: String,
    files: Vec<PathBuf>,
    values: BTreeMap<String, String>,
}

impl Profile {
    fn read(options: &ObjectOptions) -> Result<Self, String> {
        let wanted = options.variable("AWS_PROFILE").or(options.variable("AWS_DEFAULT_PROFILE"));
        let name = wanted.unwrap_or("default").to_owned();
        let place = |variable, file: &str| match options.variable(variable) {
            Some(path) => Some(PathBuf::from(path)),
            None => options.home.as_ref().map(|home| home.join(".aws").join(file)),
        };
        let credentials = place("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let config = place("AWS_CONFIG_FILE", "config");
        let files: Vec<PathBuf> = [&credentials, &config].into_iter().flatten().cloned().collect();
        let mut found = Profile { name, files, values: BTreeMap::new() };
        let mut is_there = false;
        // What stands in the file of credentials counts; so it comes last.
        let section =
            if found.name == "default" { "default".into() } else { format!("profile {}", found.name) };
        for (path, section) in [(config, &section), (credentials, &found.name)] {
            let mut sections = path.as_deref().map(read_sections).transpose()?.unwrap_or_default();
            if let Some(values) = sections.remove(section) {
                is_there = true;
                found.values.extend(values);
            }
        }
        let has_keys = options.access_key.is_some() || options.variable("AWS_ACCESS_KEY_ID").is_some();
        if wanted.is_some() && !is_there && !has_keys {
            return Err(format!("there is no {}: AWS_PROFILE names it", found.origin()));
        }
        Ok(found)
    }

    fn value(&self, name: &str) -> Option<String> {
        self.values.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn origin(&self) -> String {
        let files: Vec<_> = self.files.iter().map(|path| path.display().to_string()).collect();
        format!("profile {:?} of {}", self.name, files.join(" and "))
    }
}

fn read_sections(path: &Path) -> Result<Sections, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(parse_sections(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Sections::new()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// Lines that are indented belong to a value of several lines, which nothing here needs.
fn parse_sections(text: &str) -> Sections {
    let (mut sections, mut current) = (Sections::new(), None);
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) || line.starts_with([' ', '\t']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[') {
            let name = name.split(']').next().unwrap_or_default();
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ").replace(['"', '\''], "");
            sections.entry(name.clone()).or_default();
            current = Some(name);
        } else if let (Some(section), Some((name, value))) = (&current, trimmed.split_once('=')) {
            // A comment may follow a value behind a blank; keys have none.
            let value = value.split(" #").next().unwrap_or_default().split(" ;").next().unwrap_or_default();
            let values = sections.entry(section.clone()).or_default();
            values.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "# keys\n[default]\naws_access_key_id = DEFAULT\naws_secret_access_key=def/+=ault # c\n\
        \n[ other ]\nAWS_ACCESS_KEY_ID=OTHER\naws_secret_access_key=other\naws_session_token = token==\n\
        [half]\naws_access_key_id=HALF\n";
    const CONFIG: &str = "[default]\nregion = eu-1\ns3 =\n  endpoint_url = http://no\n[profile other]\n\
        region=us-9\nendpoint_url = https://minio:9000\naws_access_key_id = IGNORED\n[profile sso]\nsso_session = x\n";

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/credentials"), CREDENTIALS).unwrap();
        std::fs::write(home.path().join(".aws/config"), CONFIG).unwrap();
        home
    }

    fn options(home: &tempfile::TempDir, variables: &[(&str, &str)]) -> ObjectOptions {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        ObjectOptions { home: Some(home.path().to_owned()), variables, ..ObjectOptions::default() }
    }

    fn id(account: &Account) -> &str {
        account.keys.as_ref().map_or("", |keys| &keys.id)
    }

    #[test]
    fn settings_go_before_the_environment_before_files() {
        let home = home();
        let account = Account::find(&options(&home, &[])).unwrap();
        assert_eq!((id(&account), account.region.as_deref()), ("DEFAULT", Some("eu-1")));
        assert_eq!((account.keys.unwrap().secret.expose(), account.endpoint), ("def/+=ault", None));
        let variables = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "env"), ("AWS_REGION", "r")];
        let mut options = options(&home, &variables);
        let account = Account::find(&options).unwrap();
        assert_eq!((id(&account), account.region.as_deref()), ("ENV", Some("r")));
        assert!(account.origin.contains("environment") && account.keys.unwrap().token.is_none());
        options.access_key = Some("TOLD".into());
        assert!(Account::find(&options).unwrap_err().contains("no secret key in the settings"));
        options.secret_key = Some(Secret::new("told"));
        options.region = Some("told".into());
        let account = Account::find(&options).unwrap();
        assert_eq!((id(&account), account.region.as_deref()), ("TOLD", Some("told")));
    }

    #[test]
    fn a_profile_is_looked_for_in_both_files() {
        let home = home();
        let account = Account::find(&options(&home, &[("AWS_PROFILE", "other")])).unwrap();
        assert_eq!((id(&account), account.region.as_deref()), ("OTHER", Some("us-9")));
        assert_eq!(account.endpoint.as_deref(), Some("https://minio:9000"));
        assert_eq!(account.keys.unwrap().token.unwrap().expose(), "token==");
        assert!(account.origin.contains("\"other\"") && account.origin.contains(".aws/credentials"));
        for (name, part) in
            [("none", "there is no profile"), ("half", "no secret key"), ("sso", "sso_session")]
        {
            let error = Account::find(&options(&home, &[("AWS_PROFILE", name)])).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn files_can_stand_elsewhere_or_nowhere() {
        let home = home();
        let elsewhere = home.path().join("mine");
        std::fs::write(&elsewhere, "[default]\naws_access_key_id=MINE\naws_secret_access_key=m\n").unwrap();
        let path = elsewhere.display().to_string();
        let account = Account::find(&options(&home, &[("AWS_SHARED_CREDENTIALS_FILE", &path)])).unwrap();
        assert_eq!((id(&account), account.region.as_deref()), ("MINE", Some("eu-1")));
        let empty = tempfile::tempdir().unwrap();
        let account = Account::find(&options(&empty, &[])).unwrap();
        assert!(account.keys.is_none() && account.origin.contains("metadata"));
    }
}
