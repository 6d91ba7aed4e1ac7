//! A mail server on this machine that does as it is told.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::tls::{Identity, Stream, read_line, stall};

/// A moment in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Instead of the greeting.
    Greeting,
    /// In the middle of the greeting.
    MidGreeting,
    /// Instead of the answer to EHLO.
    Hello,
    /// Instead of the answer to MAIL.
    Sender,
    /// Instead of the answer to RCPT.
    Recipient,
    /// Instead of the answer to DATA.
    Data,
    /// Instead of the answer to the text.
    Text,
    /// Instead of the answer to QUIT.
    Quit,
}

impl Moment {
    /// All at which a mail is not yet accepted.
    pub const BEFORE_ACCEPTED: [Moment; 7] = [
        Moment::Greeting,
        Moment::MidGreeting,
        Moment::Hello,
        Moment::Sender,
        Moment::Recipient,
        Moment::Data,
        Moment::Text,
    ];
}

/// How a server behaves.
#[derive(Clone, Default)]
pub struct Manners {
    /// Addresses it refuses, with its answer.
    pub refuses: Vec<(&'static str, &'static str)>,
    /// Where it answers nothing more.
    pub stalls: Option<Moment>,
    /// Where it hangs up.
    pub cuts: Option<Moment>,
    /// It greets for ever, a little at a time: no single read takes long.
    pub drips: bool,
    /// What it answers to the text instead of taking it.
    pub answers_text: Option<&'static str>,
    /// It can do TLS with this, after STARTTLS or from the first byte.
    pub identity: Option<Identity>,
    /// It speaks TLS from the first byte.
    pub tls_from_the_start: bool,
    /// It takes nothing from who does not log in so.
    pub login: Option<(&'static str, &'static str)>,
}

/// A mail that was accepted.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Headers and body as they came.
    pub raw: String,
    /// Whether it came over TLS.
    pub is_protected: bool,
}

/// A mail server. Its threads go with the test.
pub struct SmtpServer {
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    mails: Vec<Mail>,
    lines: Vec<String>,
}

impl SmtpServer {
    /// Starts one.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (manners, seen) = (manners.clone(), shared.clone());
                std::thread::spawn(move || converse(stream, &manners, &seen));
            }
        });
        SmtpServer { port, seen }
    }

    /// The mails accepted so far.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.seen().mails.clone()
    }

    /// The only mail.
    ///
    /// # Panics
    /// When there is another number of them.
    #[must_use]
    #[track_caller]
    pub fn only_mail(&self) -> Mail {
        let mails = self.mails();
        assert_eq!(mails.len(), 1, "{mails:?}");
        mails.into_iter().next().unwrap()
    }

    /// All that clients said, but for texts of mails.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.seen().lines.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

/// The end of a conversation: somebody hung up, or all is said.
struct Over;

struct Session<'a> {
    stream: Box<dyn Stream>,
    /// The connection below TLS.
    plain: TcpStream,
    manners: &'a Manners,
    seen: &'a Mutex<Seen>,
    is_protected: bool,
    may_send: bool,
    from: String,
    to: Vec<String>,
}

/// A conversation, which ends when the client wants, however it does that.
fn converse(plain: TcpStream, manners: &Manners, seen: &Mutex<Seen>) {
    let Ok(below) = plain.try_clone() else { return };
    let stream: Box<dyn Stream> = match manners.identity.as_ref().filter(|_| manners.tls_from_the_start) {
        Some(identity) => identity.protect(plain),
        None => Box::new(plain),
    };
    let mut session = Session {
        stream,
        plain: below,
        manners,
        seen,
        is_protected: manners.tls_from_the_start,
        may_send: manners.login.is_none(),
        from: String::new(),
        to: Vec::new(),
    };
    if session.greet().is_err() {
        return;
    }
    while let Some(line) = read_line(&mut *session.stream) {
        seen.lock().unwrap().lines.push(line.clone());
        if session.obey(&line).is_err() {
            return;
        }
    }
}

impl Session<'_> {
    fn say(&mut self, text: &str) -> Result<(), Over> {
        self.stream.write_all(format!("{text}\r\n").as_bytes()).map_err(|_| Over)?;
        self.stream.flush().map_err(|_| Over)
    }

    fn answer(&mut self, moment: Moment, text: &str) -> Result<(), Over> {
        if self.manners.stalls == Some(moment) {
            stall(&mut *self.stream);
            return Err(Over);
        }
        if self.manners.cuts == Some(moment) {
            return Err(Over);
        }
        self.say(text)
    }

    fn greet(&mut self) -> Result<(), Over> {
        while self.manners.drips {
            self.say("220-welcome")?;
            std::thread::sleep(Duration::from_millis(200));
        }
        if [self.manners.stalls, self.manners.cuts].contains(&Some(Moment::MidGreeting)) {
            self.stream.write_all(b"220 mail.exam").and_then(|()| self.stream.flush()).map_err(|_| Over)?;
            return self.answer(Moment::MidGreeting, "");
        }
        self.answer(Moment::Greeting, "220 mail.example.org ESMTP")
    }

    fn obey(&mut self, line: &str) -> Result<(), Over> {
        let (verb, rest) = line.split_once([' ', ':']).unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                let can_start = self.manners.identity.is_some() && !self.is_protected;
                let start = if can_start { "250-STARTTLS\r\n" } else { "" };
                let login = if self.manners.login.is_some() { "250-AUTH PLAIN LOGIN\r\n" } else { "" };
                let text = format!("250-mail.example.org\r\n{start}{login}250 8BITMIME");
                self.answer(Moment::Hello, &text)
            }
            "STARTTLS" => {
                let identity = self.manners.identity.as_ref().ok_or(Over)?;
                self.say("220 go ahead")?;
                self.stream = identity.protect(self.plain.try_clone().map_err(|_| Over)?);
                self.is_protected = true;
                Ok(())
            }
            "AUTH" => {
                self.may_send = is_login(rest, self.manners.login);
                self.say(if self.may_send { "235 welcome" } else { "535 5.7.8 wrong account or password" })
            }
            "MAIL" if !self.may_send => self.say("530 5.7.0 log in first"),
            "MAIL" => {
                self.from = address(line);
                self.answer(Moment::Sender, "250 sender ok")
            }
            "RCPT" => self.recipient(address(line)),
            "DATA" => self.text(),
            "QUIT" => self.answer(Moment::Quit, "221 bye").and(Err(Over)),
            _ => self.say("250 ok"),
        }
    }

    fn recipient(&mut self, reader: String) -> Result<(), Over> {
        match self.manners.refuses.iter().find(|(refused, _)| *refused == reader) {
            Some((_, answer)) => self.say(answer),
            None => {
                self.to.push(reader);
                self.answer(Moment::Recipient, "250 recipient ok")
            }
        }
    }

    fn text(&mut self) -> Result<(), Over> {
        self.answer(Moment::Data, "354 go on")?;
        let raw = read_text(&mut *self.stream).ok_or(Over)?;
        if let Some(answer) = self.manners.answers_text {
            return self.say(answer);
        }
        // Before the answer: whoever has it may look.
        let holds = [self.manners.stalls, self.manners.cuts].contains(&Some(Moment::Text));
        if !holds {
            let (from, to) = (self.from.clone(), std::mem::take(&mut self.to));
            let mail = Mail { from, to, raw, is_protected: self.is_protected };
            self.seen.lock().unwrap().mails.push(mail);
        }
        self.answer(Moment::Text, "250 accepted")
    }
}

fn address(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or(String::new(), |(address, _)| address.to_owned())
}

fn is_login(words: &str, login: Option<(&str, &str)>) -> bool {
    let (user, password) = login.unwrap_or_default();
    let expected = format!("\0{user}\0{password}");
    words.split_once(' ').is_some_and(|(_, text)| base64(text) == expected.as_bytes())
}

fn read_text(stream: &mut dyn Stream) -> Option<String> {
    let mut text = String::new();
    loop {
        let line = read_line(stream)?;
        if line == "." {
            return Some(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push('\n');
    }
}

impl Mail {
    /// A header, decoded; empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let (head, _) = self.raw.split_once("\n\n").unwrap_or((&self.raw, ""));
        let unfolded = head.replace("\n ", " ");
        let prefix = format!("{name}: ");
        let value = unfolded.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default();
        let mut text = String::new();
        let mut last_was_encoded = false;
        for word in value.split(' ').filter(|word| !word.is_empty()) {
            let encoded = word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?="));
            // The space between two encoded words is none.
            if !(text.is_empty() || last_was_encoded && encoded.is_some()) {
                text.push(' ');
            }
            match encoded {
                Some(encoded) => text.push_str(&String::from_utf8(base64(encoded)).unwrap()),
                None => text.push_str(word),
            }
            last_was_encoded = encoded.is_some();
        }
        text
    }

    /// The text, decoded.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        let (_, body) = self.raw.split_once("\n\n").unwrap_or_default();
        let bytes = match self.header("Content-Transfer-Encoding").as_str() {
            "base64" => base64(body),
            "quoted-printable" => quoted_printable(body),
            _ => body.as_bytes().to_vec(),
        };
        String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
    }

    /// Everything of it that a reader may see.
    #[must_use]
    pub fn all(&self) -> String {
        format!("{}\n{}\n{}", self.header("Subject"), self.text(), self.raw)
    }
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let values = text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let values: Vec<u32> = values.map(|value| u32::try_from(value).unwrap()).collect();
    let group = |group: &[u32]| {
        let bits = group.iter().fold(0, |bits, value| bits << 6 | value) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    values.chunks(4).flat_map(group).collect()
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let joined = text.replace("=\n", "");
    let mut bytes = joined.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'=' {
            let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
            decoded.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            decoded.push(byte);
        }
    }
    decoded
}
