//! Mails as they are written: readers, subject and text. Pure.

use std::time::SystemTime;

use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};

use super::NoticeError;
use super::message::{Notice, one_line};

/// A mail that is to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    readers: Vec<String>,
    subject: String,
    text: String,
    date: SystemTime,
}

impl Letter {
    /// How a run ended.
    pub(crate) fn result(notice: &Notice, readers: &[String]) -> Self {
        let (subject, text) = (notice.subject(), notice.text());
        Letter { readers: readers.to_vec(), subject, text, date: notice.ended.into() }
    }

    /// The mail that shows whether mails arrive.
    pub(crate) fn test(notice: &Notice, on_failure: &[String], on_success: &[String]) -> Self {
        let mut readers = Vec::new();
        for reader in on_failure.iter().chain(on_success) {
            if !readers.contains(reader) {
                readers.push(reader.clone());
            }
        }
        let told = |what: &str, list: &[String]| match list {
            [] => format!("Nobody is told of {what}.\n"),
            list => format!("Told of {what}: {}\n", list.join(", ")),
        };
        let subject = one_line(&format!("[pyxbackup] {}: test mail", notice.host));
        let text = format!(
            "This mail shows that mails of pyxbackup on {} arrive. It is sent once.\n\n{}{}\n-- \n{} on {}\n",
            notice.host,
            told("failures", on_failure),
            told("finished backups", on_success),
            notice.program,
            notice.host
        );
        Letter { readers, subject, text, date: notice.ended.into() }
    }

    /// The mail as it is sent, and what is wrong with those addresses that it cannot go to.
    ///
    /// # Errors
    /// [`NoticeError::NoRecipient`] when it can go to none of them, [`NoticeError::Letter`] when the sender's
    /// address is none.
    pub(crate) fn message(&self, from: &str) -> Result<(Message, Vec<String>), NoticeError> {
        let sender: Mailbox =
            from.parse().map_err(|error| NoticeError::Letter(format!("sender {from:?}: {error}")))?;
        let (mut good, mut bad) = (Vec::<Mailbox>::new(), Vec::new());
        for reader in &self.readers {
            match reader.parse() {
                Ok(mailbox) => good.push(mailbox),
                Err(error) => bad.push(format!("{reader:?} is no address: {error}")),
            }
        }
        if good.is_empty() {
            return Err(NoticeError::NoRecipient { reasons: bad.join("; ") });
        }
        let builder = Message::builder()
            .from(sender)
            .subject(&self.subject)
            .date(self.date)
            .message_id(None)
            .header(ContentType::TEXT_PLAIN)
            // Nothing that answers by itself shall answer this.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        let builder = good.into_iter().fold(builder, lettre::message::MessageBuilder::to);
        let message = builder.body(self.text.clone());
        Ok((message.map_err(|error| NoticeError::Letter(error.to_string()))?, bad))
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::failed;
    use super::*;

    #[test]
    fn a_mail_is_ascii_on_its_way_whatever_it_says() {
        let mut notice = failed();
        notice.host = "bücherei".into();
        notice.error = Some("Schlüssel fehlt: 鍵".into());
        notice.log_tail.push("x".repeat(5000));
        let (message, bad) = Letter::result(&notice, &["a@example.org".into()]).message("b@db1").unwrap();
        let bytes = message.formatted();
        assert!(bytes.is_ascii() && bad.is_empty());
        let longest = bytes.split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap();
        assert!(longest <= 998, "a line of {longest} bytes");
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("=?utf-8?") && text.contains("Auto-Submitted: auto-generated"), "{text}");
    }

    #[test]
    fn an_address_that_is_none_keeps_nobody_else_from_being_told() {
        let letter = Letter::result(&failed(), &["nobody".into(), "Ops <ops@example.org>".into()]);
        let (message, bad) = letter.message("root@db1").unwrap();
        assert_eq!(message.envelope().to().len(), 1);
        assert!(bad[0].starts_with("\"nobody\" is no address"), "{bad:?}");
        let nobody = Letter::result(&failed(), &["nobody".into()]).message("root@db1");
        assert!(matches!(nobody, Err(NoticeError::NoRecipient { .. })), "{nobody:?}");
    }
}
