//! An HTTP server on this machine that answers as a test tells it to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the server does with one connection.
pub enum Answer {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes and then waits until the client goes.
    ThenSilence(Vec<u8>),
    /// Sends the first bytes and then one more every few milliseconds, until the client goes.
    ThenDrip(Vec<u8>),
}

/// A server whose answers come from a function of the connection's number and the request's head.
pub struct Server {
    pub address: String,
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(answer: impl Fn(usize, &str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(mut stream) = stream else { return };
                let head = read_head(&stream);
                kept.lock().unwrap().push(head.clone());
                serve(&mut stream, answer(number, &head));
            }
        });
        Self { address, requests }
    }

    pub fn request(&self, index: usize) -> String {
        self.requests.lock().unwrap()[index].to_ascii_lowercase()
    }

    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn read_head(stream: &TcpStream) -> String {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|count| count > 0) {}
    head
}

// The client may go at any time, so what fails here is no failure of a test.
fn serve(stream: &mut TcpStream, answer: Answer) {
    match answer {
        Answer::Bytes(bytes) => {
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Write);
        }
        Answer::ThenSilence(bytes) => {
            let _ = stream.write_all(&bytes);
        }
        Answer::ThenDrip(bytes) => {
            let _ = stream.write_all(&bytes);
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }
    let _ = stream.read(&mut [0; 1024]);
}

/// A response with headers and a body.
pub fn response(status: &str, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// The whole file.
pub fn whole(body: &[u8]) -> Vec<u8> {
    response("200 OK", &[("Content-Length", body.len().to_string()), ("ETag", "\"one\"".to_owned())], body)
}

/// The file from the place that the request asks for, or all of it.
pub fn ranged(body: &[u8], head: &str) -> Vec<u8> {
    let lower = head.to_ascii_lowercase();
    let from: Option<usize> =
        lower.lines().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
    match from {
        None => whole(body),
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
            let length = (body.len() - from).to_string();
            response("206 Partial Content", &[("Content-Range", range), ("Content-Length", length)], &body[from..])
        }
    }
}
