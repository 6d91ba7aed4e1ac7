//! From an address and options to the library's store. What is missing is told here and not when a backup begins.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig};

use super::address::{Address, Service, check_endpoint};
use super::client::{Backend, Workers};
use super::credentials::Account;
use super::error::Trouble;
use super::options::ObjectOptions;
use crate::store::StoreErrorKind;

/// How long connecting may take.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long the machine's metadata service may take to give keys.
const METADATA: Duration = Duration::from_secs(5);

/// A store, and what messages say of it.
pub(super) struct Opened {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) origin: String,
    pub(super) endpoint: Option<String>,
}

fn unsupported(reason: impl Into<String>) -> Trouble {
    Trouble::new(StoreErrorKind::Unsupported, reason)
}

fn denied(reason: impl Into<String>) -> Trouble {
    Trouble::new(StoreErrorKind::Denied, reason)
}

pub(super) fn open(address: &Address, options: &ObjectOptions, workers: &Workers) -> Result<Opened, Trouble> {
    // Somebody else in this process may have said before what to encrypt with; it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut options = options.clone();
    options.endpoint = address.endpoint.clone().or(options.endpoint);
    options.region = address.region.clone().or(options.region);
    match address.service {
        Service::S3 => open_s3(address, &options, workers),
        Service::Google => open_google(address, &options, workers),
        Service::Azure => open_azure(address, &options, workers),
    }
}

/// The library itself tries once: how often, and for how long, is decided in one place, which signs anew each time.
fn no_retries() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::ZERO }
}

fn client_options(options: &ObjectOptions, endpoint: Option<&str>) -> Result<ClientOptions, Trouble> {
    if let Some(url) = endpoint {
        check_endpoint(url, options.allow_http).map_err(unsupported)?;
    }
    let is_plain = endpoint.is_some_and(|url| url.starts_with("http://"));
    let mut client = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECTING.min(options.patience.silence))
        .with_allow_http(is_plain)
        // Without TLS nothing is to be trusted, and a machine without certificates will do.
        .with_no_system_certificates(is_plain);
    let bundle = options.variable("AWS_CA_BUNDLE").map(Into::into);
    if let Some(path) = options.ca_file.clone().or(bundle) {
        let unusable = |why: String| unsupported(format!("the certificates in {}: {why}", path.display()));
        let pem = std::fs::read(&path).map_err(|error| unusable(error.to_string()))?;
        let found = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
        if found.is_empty() {
            return Err(unusable("there are none".into()));
        }
        client = found.into_iter().fold(client, ClientOptions::with_root_certificate);
    }
    Ok(client)
}

/// What the library is told of the environment as it stands; the rest is looked at by [`Account`].
const PASSED_ON: [&str; 15] = [
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
    "AWS_IMDSV1_FALLBACK",
    "AWS_REQUEST_PAYER",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_SSE_BUCKET_KEY_ENABLED",
    "AWS_SSE_CUSTOMER_KEY_BASE64",
    "AWS_DISABLE_TAGGING",
];

fn open_s3(address: &Address, options: &ObjectOptions, workers: &Workers) -> Result<Opened, Trouble> {
    let account = Account::find(options).map_err(denied)?;
    let endpoint = account.endpoint.as_deref().map(|url| url.trim_end_matches('/').to_owned());
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&address.bucket)
        .with_retry(no_retries())
        .with_client_options(client_options(options, endpoint.as_deref())?);
    for name in PASSED_ON {
        if let (Some(value), Ok(key)) =
            (options.variable(name), name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>())
        {
            builder = builder.with_config(key, value);
        }
    }
    let path_style = options.path_style.unwrap_or(endpoint.is_some());
    builder = builder.with_virtual_hosted_style_request(!path_style);
    if let Some(url) = &endpoint {
        builder = builder.with_endpoint(if path_style { url.clone() } else { in_host(url, &address.bucket) });
    }
    if let Some(region) = &account.region {
        builder = builder.with_region(region);
    }
    let mut is_certain = false;
    if let Some(keys) = &account.keys {
        builder = builder.with_access_key_id(&keys.id).with_secret_access_key(keys.secret.expose());
        if let Some(token) = &keys.token {
            builder = builder.with_token(token.expose());
        }
        is_certain = true;
    } else if options.variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value == "true") {
        return Err(denied(no_keys("the metadata service is switched off by AWS_EC2_METADATA_DISABLED")));
    }
    let store = builder.build().map_err(|error| Trouble::of(&error))?;
    if !is_certain {
        ask_for_keys(workers, store.credentials().get_credential())?;
    }
    Ok(Opened { backend: Arc::new(store), origin: account.origin, endpoint })
}

/// An endpoint with the bucket in its host name.
fn in_host(url: &str, bucket: &str) -> String {
    url.split_once("://")
        .map_or_else(|| url.to_owned(), |(scheme, rest)| format!("{scheme}://{bucket}.{rest}"))
}

fn no_keys(why: &str) -> String {
    format!(
        "there are no keys for it: none in the settings, the environment (AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY) or ~/.aws/credentials, and {why}"
    )
}

/// Asks the machine for keys now, so that it does not come out later that there are none.
fn ask_for_keys<T>(
    workers: &Workers,
    asked: impl Future<Output = object_store::Result<T>>,
) -> Result<(), Trouble> {
    let answer = workers.wait(async { Ok(tokio::time::timeout(METADATA, asked).await) })?;
    match answer {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            Err(denied(no_keys(&format!("the metadata service gives none: {}", Trouble::of(&error).reason))))
        }
        Err(_) => Err(denied(no_keys("the metadata service does not answer"))),
    }
}

fn open_google(address: &Address, options: &ObjectOptions, workers: &Workers) -> Result<Opened, Trouble> {
    let endpoint = options.endpoint.clone();
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(&address.bucket)
        .with_retry(no_retries())
        .with_client_options(client_options(options, endpoint.as_deref())?);
    let mut origin = "the machine's metadata service";
    for (name, value) in &options.variables {
        if let (true, Ok(key)) = (!value.is_empty(), name.to_ascii_lowercase().parse::<GoogleConfigKey>()) {
            builder = builder.with_config(key, value);
            origin = "the environment (GOOGLE_*)";
        }
    }
    if origin.starts_with("the machine") {
        let home = options.home.as_ref();
        let file = home.map(|home| home.join(".config/gcloud/application_default_credentials.json"));
        if let Some(file) = file.filter(|file| file.exists()) {
            builder = builder.with_application_credentials(file.display().to_string());
            origin = "~/.config/gcloud/application_default_credentials.json";
        }
    }
    if let Some(url) = &endpoint {
        builder = builder.with_base_url(url);
    }
    let store = builder.build().map_err(|error| Trouble::of(&error))?;
    let asked = workers
        .wait(async { Ok(tokio::time::timeout(METADATA, store.credentials().get_credential()).await) });
    if !matches!(asked?, Ok(Ok(_))) {
        return Err(denied(format!(
            "there are no keys for it: name a file with GOOGLE_APPLICATION_CREDENTIALS (asked {origin})"
        )));
    }
    Ok(Opened { backend: Arc::new(store), origin: origin.to_owned(), endpoint })
}

fn open_azure(address: &Address, options: &ObjectOptions, workers: &Workers) -> Result<Opened, Trouble> {
    let endpoint = options.endpoint.clone();
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(&address.bucket)
        .with_retry(no_retries())
        .with_client_options(client_options(options, endpoint.as_deref())?);
    for (name, value) in &options.variables {
        if let (true, Ok(key)) = (!value.is_empty(), name.to_ascii_lowercase().parse::<AzureConfigKey>()) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(account) = &options.access_key {
        builder = builder.with_account(account);
    }
    let mut origin = "the environment (AZURE_*) or the machine's metadata service";
    if let Some(key) = &options.secret_key {
        builder = builder.with_access_key(key.expose());
        origin = "the settings";
    }
    if let Some(url) = &endpoint {
        builder = builder.with_endpoint(url.clone());
    }
    let store = builder.build().map_err(|error| Trouble::of(&error))?;
    let asked = workers
        .wait(async { Ok(tokio::time::timeout(METADATA, store.credentials().get_credential()).await) });
    if !matches!(asked?, Ok(Ok(_))) {
        return Err(denied(format!(
            "there are no keys for it: set AZURE_STORAGE_ACCOUNT_KEY (asked {origin})"
        )));
    }
    Ok(Opened { backend: Arc::new(store), origin: origin.to_owned(), endpoint })
}
