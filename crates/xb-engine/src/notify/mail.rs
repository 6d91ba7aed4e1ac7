//! Sending a mail: one conversation with the mail server, protected as it is set, and never longer than its
//! deadline. Nothing secret is said over a connection that is not.

use std::path::PathBuf;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    Certificate, CertificateStore, SmtpConnection, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use xb_core::Secret;
use xb_core::settings::SmtpSecurity;

use super::letter::Letter;
use super::{Deadline, NoticeError, Remarks};
use crate::context::Context;

/// How long a server may take to say good-bye: the mail is sent by then.
const GOODBYE: Duration = Duration::from_millis(500);

/// Where mails go, and as whom.
pub(crate) struct MailServer {
    host: String,
    port: u16,
    security: SmtpSecurity,
    ca_file: Option<PathBuf>,
    login: Option<(String, Secret)>,
    from: String,
    own_name: String,
}

impl MailServer {
    /// The server that is set.
    pub(crate) fn of(context: &Context) -> Self {
        let settings = &context.settings;
        let own_name = super::host();
        let account = context.around.user.as_deref().unwrap_or("pyxbackup");
        let password = || settings.smtp_pass.clone().unwrap_or_else(|| Secret::new(""));
        MailServer {
            host: settings.smtp_host.clone(),
            port: settings.smtp_port,
            security: settings.smtp_security,
            ca_file: settings.smtp_ca_file.clone(),
            login: settings.smtp_user.clone().map(|user| (user, password())),
            from: settings.smtp_from.clone().unwrap_or_else(|| format!("{account}@{own_name}")),
            own_name,
        }
    }

    fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Sends a mail; the answer tells who does not get it although others do.
    ///
    /// # Errors
    /// [`NoticeError`] when nobody gets it.
    pub(crate) fn deliver(&self, letter: &Letter, deadline: Deadline) -> Result<Remarks, NoticeError> {
        let in_the_open = self.security == SmtpSecurity::None && !is_loopback(&self.host);
        if self.login.is_some() && in_the_open {
            return Err(NoticeError::Unprotected { server: self.name() });
        }
        let (message, mut remarks) = letter.message(&self.from)?;
        let mut connection = self.connect(deadline)?;
        self.log_in(&mut connection, deadline)?;
        let envelope = message.envelope();
        let needs_utf8 = envelope.to().iter().chain(envelope.from()).any(|a| !is_ascii(a));
        let mut parameters = Vec::new();
        if needs_utf8 {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let reason = "it cannot take addresses that are not ASCII".to_owned();
                return Err(NoticeError::Mail { server: self.name(), step: "sender", reason });
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let mail = Mail::new(envelope.from().cloned(), parameters);
        self.step(&mut connection, deadline, "sender", |c| c.command(mail))?;
        // One address that is no longer there must not keep the others from hearing.
        let mut refused = Vec::new();
        for reader in envelope.to() {
            let asked = connection.set_timeout(Some(deadline.left()?));
            asked.map_err(|error| self.failed("recipient", &error))?;
            match connection.command(Rcpt::new(reader.clone(), Vec::new())) {
                Ok(_) => {}
                Err(error) if error.status().is_some() => refused.push(format!("{reader}: {error}")),
                Err(error) => return Err(self.failed("recipient", &error)),
            }
        }
        if refused.len() == envelope.to().len() {
            return Err(NoticeError::NoRecipient { reasons: refused.join("; ") });
        }
        self.step(&mut connection, deadline, "text", |c| c.command(Data))?;
        let bytes = message.formatted();
        self.step(&mut connection, deadline, "text", |c| c.message(&bytes))?;
        // It is sent; a server that is slow to part changes nothing.
        let _ = connection.set_timeout(Some(GOODBYE)).map(|()| connection.quit().is_ok());
        remarks.extend(refused.into_iter().map(|reason| format!("not to {reason}")));
        Ok(remarks)
    }

    fn connect(&self, deadline: Deadline) -> Result<SmtpConnection, NoticeError> {
        let tls = match self.security {
            SmtpSecurity::None => None,
            SmtpSecurity::StartTls | SmtpSecurity::Tls => Some(self.tls()?),
        };
        let own_name = ClientId::Domain(self.own_name.clone());
        let from_the_start = tls.as_ref().filter(|_| self.security == SmtpSecurity::Tls);
        let address = (self.host.as_str(), self.port);
        let connected =
            SmtpConnection::connect(address, Some(deadline.left()?), &own_name, from_the_start, None);
        let mut connection = connected.map_err(|error| self.failed("greeting", &error))?;
        if let (SmtpSecurity::StartTls, Some(tls)) = (self.security, &tls) {
            if !connection.can_starttls() {
                return Err(NoticeError::NoStartTls { server: self.name() });
            }
            self.step(&mut connection, deadline, "STARTTLS", |c| c.starttls(tls, &own_name))?;
        }
        Ok(connection)
    }

    fn log_in(&self, connection: &mut SmtpConnection, deadline: Deadline) -> Result<(), NoticeError> {
        let Some((user, password)) = &self.login else { return Ok(()) };
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        connection.set_timeout(Some(deadline.left()?)).map_err(|error| self.failed("login", &error))?;
        let answer = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
        answer.map(drop).map_err(|error| match error.status() {
            // Some servers repeat what they were sent, which is the password in another writing.
            Some(code) => self.failed("login", &format!("the server answered {code}")),
            None => self.failed("login", &error),
        })
    }

    /// The certificates that vouch for the server.
    fn tls(&self) -> Result<TlsParameters, NoticeError> {
        let wrong = |reason: String| NoticeError::Certificates(reason);
        let builder = TlsParametersBuilder::new(self.host.clone());
        let builder = match &self.ca_file {
            None => builder,
            Some(path) => {
                let at = path.display();
                let pem = std::fs::read(path).map_err(|error| wrong(format!("cannot read {at}: {error}")))?;
                // Of a file without any the library would say nothing, and trust nobody.
                if CertificateDer::pem_slice_iter(&pem).next().is_none() {
                    return Err(wrong(format!("{at} holds no certificate")));
                }
                let certificate =
                    Certificate::from_pem(&pem).map_err(|error| wrong(format!("{at}: {error}")))?;
                builder.certificate_store(CertificateStore::None).add_root_certificate(certificate)
            }
        };
        builder.build_rustls().map_err(|error| wrong(error.to_string()))
    }

    fn step<T>(
        &self,
        connection: &mut SmtpConnection,
        deadline: Deadline,
        step: &'static str,
        work: impl FnOnce(&mut SmtpConnection) -> Result<T, SmtpError>,
    ) -> Result<T, NoticeError> {
        let left = deadline.left()?;
        connection.set_timeout(Some(left)).map_err(|error| self.failed(step, &error))?;
        work(connection).map_err(|error| self.failed(step, &error))
    }

    fn failed(&self, step: &'static str, error: &dyn std::fmt::Display) -> NoticeError {
        NoticeError::Mail { server: self.name(), step, reason: error.to_string() }
    }
}

/// Whether a connection to it never leaves this machine.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn is_ascii(address: &Address) -> bool {
    let text: &str = address.as_ref();
    text.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_leave_the_machine_is_loopback() {
        for host in ["127.0.0.1", "127.1.2.3", "::1", "localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["127.example.org", "10.0.0.1", "mail", "localhost.example.org", "::"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
