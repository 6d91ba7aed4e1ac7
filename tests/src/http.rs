//! A web server on this machine that does as it is told.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::tls::{Identity, Stream, read_line, stall};

/// What a server does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Answers with this status.
    Status(u16),
    /// Sends the client elsewhere.
    Redirect(String),
    /// Never answers.
    Stall,
    /// Falls silent in the middle of the status line.
    StallMidLine,
    /// Answers for ever, a little at a time: no single read takes long.
    Drip,
    /// Hangs up.
    Cut,
    /// Sends headers without end.
    Endless,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method, path and version.
    pub line: String,
    /// The headers' lines.
    pub headers: Vec<String>,
    pub body: String,
}

/// A web server. Its threads go with the test.
pub struct HttpServer {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl HttpServer {
    /// Starts one that gives one answer after the other, the last one for ever.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start(answers: &[Answer], identity: Option<Identity>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answers) = (requests.clone(), answers.to_vec());
        std::thread::spawn(move || {
            for (index, stream) in listener.incoming().flatten().enumerate() {
                let answer = answers.get(index).or(answers.last()).cloned().unwrap_or(Answer::Cut);
                let (seen, identity) = (seen.clone(), identity.clone());
                std::thread::spawn(move || serve(stream, identity, &answer, &seen));
            }
        });
        HttpServer { port, requests }
    }

    /// The requests so far.
    ///
    /// # Panics
    /// When a thread of it has.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, identity: Option<Identity>, answer: &Answer, seen: &Mutex<Vec<Request>>) {
    let mut stream: Box<dyn Stream> = match identity {
        Some(identity) => identity.protect(stream),
        None => Box::new(stream),
    };
    let Some(request) = read_request(&mut *stream) else { return };
    seen.lock().unwrap().push(request);
    let head = match answer {
        Answer::Status(status) => format!("HTTP/1.1 {status} Told\r\n"),
        Answer::Redirect(to) => format!("HTTP/1.1 307 Elsewhere\r\nLocation: {to}\r\n"),
        Answer::Stall => return stall(&mut *stream),
        Answer::StallMidLine => {
            let _ = stream.write_all(b"HTTP/1.1 2").and_then(|()| stream.flush());
            return stall(&mut *stream);
        }
        Answer::Drip => {
            while stream.write_all(b"H").and_then(|()| stream.flush()).is_ok() {
                std::thread::sleep(Duration::from_millis(200));
            }
            return;
        }
        Answer::Cut => return,
        Answer::Endless => {
            let begun = stream.write_all(b"HTTP/1.1 200 OK\r\n");
            let line = b"X-More: 0123456789012345678901234567890123456789\r\n";
            if begun.is_ok() {
                while stream.write_all(line).is_ok() {}
            }
            return;
        }
    };
    // Fails when the client is gone, which it may be.
    let _ = stream
        .write_all(format!("{head}Content-Length: 2\r\nConnection: close\r\n\r\nok").as_bytes())
        .and_then(|()| stream.flush());
}

fn read_request(stream: &mut dyn Stream) -> Option<Request> {
    let line = read_line(stream)?;
    let mut headers = Vec::new();
    loop {
        let header = read_line(stream)?;
        if header.is_empty() {
            break;
        }
        headers.push(header);
    }
    let length = headers.iter().find_map(|header| {
        let (name, value) = header.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some(Request { line, headers, body: String::from_utf8(body).ok()? })
}
