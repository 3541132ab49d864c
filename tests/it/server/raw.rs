//! Requests that no decent client sends, byte by byte.

use super::house::{House, WITHIN};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Opens a connection.
pub async fn connect(house: &House) -> TcpStream {
    TcpStream::connect(house.address.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Sends bytes, and takes everything that comes back until the server closes or the answer is whole.
pub async fn send(house: &House, bytes: &[u8]) -> String {
    let mut stream = connect(house).await;
    // The server may answer and close before it has heard everything.
    let _ = stream.write_all(bytes).await;
    rest(stream).await
}

/// Everything that still comes, until the server closes.
pub async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    // A reset after the answer is an end as well.
    let _ = tokio::time::timeout(WITHIN, reading).await.expect("the server ends the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request head with these headers, that closes afterwards.
pub fn head(house: &House, line: &str, headers: &[(&str, &str)]) -> String {
    let mut text = format!("{line} HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {}\r\n", house.token);
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text + "\r\n"
}

/// The status of an answer.
pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}
