//! What can stand between a client and a web server: a proxy that passes everything on, but for what a test wants
//! to go wrong. Requests reach the server as they were, so that their signatures hold.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status and code, as S3 does, and does not reach the server.
    Refuse(u16, &'static str),
    /// The connection breaks at once.
    Reset,
    /// Nobody answers.
    Stall,
    /// The connection breaks after so many bytes of the answer, its head included.
    CutAnswer(usize),
    /// The connection breaks after so many bytes of the request's body.
    CutRequest(usize),
    /// The server does what it is asked, and the answer is lost.
    LoseAnswer,
}

/// A request, as far as a test looks at it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method, target and version.
    pub line: String,
    /// The headers' lines.
    pub headers: Vec<String>,
}

impl Asked {
    /// Whether it has this method and its target contains `part`.
    #[must_use]
    pub fn is(&self, method: &str, part: &str) -> bool {
        let mut words = self.line.split(' ');
        words.next() == Some(method) && words.next().is_some_and(|target| target.contains(part))
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

type Which = Box<dyn Fn(&Asked) -> bool + Send>;

struct Rule {
    which: Which,
    skip: usize,
    times: usize,
    fault: Fault,
}

#[derive(Default)]
struct State {
    rules: Mutex<Vec<Rule>>,
    asked: Mutex<Vec<Asked>>,
    /// Held by requests that may only write what is not there: the server looks and writes in two steps.
    one_at_a_time: Mutex<()>,
    now: AtomicUsize,
    most: AtomicUsize,
    ended: AtomicBool,
}

/// A proxy. Listens until dropped.
pub struct FaultProxy {
    pub port: u16,
    state: Arc<State>,
}

impl FaultProxy {
    /// One in front of the server at `upstream` on this machine.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.ended.load(Ordering::SeqCst) {
                    break;
                }
                let state = shared.clone();
                std::thread::spawn(move || {
                    let now = state.now.fetch_add(1, Ordering::SeqCst) + 1;
                    state.most.fetch_max(now, Ordering::SeqCst);
                    // Whoever hangs up has seen what there was to see.
                    let _ = serve(client, upstream, &state);
                    state.now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        FaultProxy { port, state }
    }

    /// After `skip` requests that are such, the next `times` go wrong.
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn fault(
        &self,
        skip: usize,
        times: usize,
        fault: Fault,
        which: impl Fn(&Asked) -> bool + Send + 'static,
    ) {
        self.state.rules.lock().unwrap().push(Rule { which: Box::new(which), skip, times, fault });
    }

    /// From now on nothing goes wrong.
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn heal(&self) {
        self.state.rules.lock().unwrap().clear();
    }

    /// The requests so far, those that went wrong among them.
    ///
    /// # Panics
    /// When a thread of it has.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// How many requests are such.
    #[must_use]
    pub fn count(&self, which: impl Fn(&Asked) -> bool) -> usize {
        self.asked().iter().filter(|asked| which(asked)).count()
    }

    /// The most connections at the same time.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        // So that it sees that.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// One request, on a connection of its own at both sides.
fn serve(mut client: TcpStream, upstream: u16, state: &State) -> io::Result<()> {
    let Some((head, asked)) = read_head(&mut client)? else { return Ok(()) };
    let length: u64 = asked.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let guard = asked.header("if-none-match").map(|_| state.one_at_a_time.lock().unwrap());
    state.asked.lock().unwrap().push(asked.clone());
    let fault = next_fault(state, &asked);
    match fault {
        Some(Fault::Refuse(status, code)) => {
            io::copy(&mut (&mut client).take(length), &mut io::sink())?;
            return refuse(&mut client, status, code, asked.line.starts_with("HEAD"));
        }
        Some(Fault::Reset) => return Ok(()),
        Some(Fault::Stall) => {
            drop(guard);
            return io::copy(&mut client, &mut io::sink()).map(|_| ());
        }
        _ => (),
    }
    let mut server = TcpStream::connect(("127.0.0.1", upstream))?;
    server.write_all(&head)?;
    if let Some(Fault::CutRequest(bytes)) = fault {
        io::copy(&mut (&mut client).take(bytes as u64), &mut server)?;
        return Ok(());
    }
    io::copy(&mut (&mut client).take(length), &mut server)?;
    match fault {
        None => pass_answer(&mut server, &mut client, &asked)?,
        Some(Fault::LoseAnswer) => io::copy(&mut server, &mut io::sink()).map(|_| ())?,
        Some(Fault::CutAnswer(bytes)) => io::copy(&mut server.take(bytes as u64), &mut client).map(|_| ())?,
        Some(_) => (),
    }
    client.shutdown(Shutdown::Both)
}

/// Passes an answer on, as S3 would give it where the server does not: that calls an upload that is gone forbidden,
/// and a directory of its own a fault of the server.
fn pass_answer(server: &mut TcpStream, client: &mut TcpStream, asked: &Asked) -> io::Result<()> {
    let mut status = [0; 12];
    server.read_exact(&mut status)?;
    let is_object = !asked.line.contains("?") && (asked.is("GET", "") || asked.is("HEAD", ""));
    match &status {
        b"HTTP/1.1 403" if asked.line.contains("uploadId=") => refuse(client, 404, "NoSuchUpload", false),
        b"HTTP/1.1 500" if is_object => refuse(client, 404, "NoSuchKey", asked.is("HEAD", "")),
        _ => {
            client.write_all(&status)?;
            io::copy(server, client).map(|_| ())
        }
    }
}

fn next_fault(state: &State, asked: &Asked) -> Option<Fault> {
    let mut rules = state.rules.lock().unwrap();
    let rule = rules.iter_mut().find(|rule| rule.times > 0 && (rule.which)(asked))?;
    if rule.skip > 0 {
        rule.skip -= 1;
        return None;
    }
    rule.times -= 1;
    Some(rule.fault.clone())
}

/// The head as the server is to see it: it is to hang up behind its answer. That header is not signed.
fn read_head(client: &mut TcpStream) -> io::Result<Option<(Vec<u8>, Asked)>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.trim_end().split("\r\n").map(str::to_owned);
    let asked = Asked { line: lines.next().unwrap_or_default(), headers: lines.collect() };
    head.truncate(head.len() - 2);
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    Ok(Some((head, asked)))
}

fn refuse(client: &mut TcpStream, status: u16, code: &str, is_head: bool) -> io::Result<()> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>As the test wants.</Message></Error>"
    );
    let body = if is_head { String::new() } else { body };
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {status} Told\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )?;
    client.shutdown(Shutdown::Both)
}
