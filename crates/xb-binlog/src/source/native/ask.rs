//! Questions to a server, in its text protocol.

use super::error::NativeError;
use super::fields::{Fields, error_of};
use super::login::ANSWER_BYTES;
use super::wire::Wire;

const QUERY: u8 = 3;
/// The longest packet that ends rows; what begins alike and is longer is a row.
const END_BYTES: usize = 8;

/// A row: texts, or NULL.
pub(super) type Row = Vec<Option<String>>;

/// Asks and gives all rows.
pub(super) fn ask(wire: &mut Wire, statement: &str) -> Result<Vec<Row>, NativeError> {
    command(wire, QUERY, statement.as_bytes())?;
    let first = receive(wire, statement)?;
    if first.first() == Some(&0) {
        return Ok(Vec::new());
    }
    if first.first() == Some(&0xfb) {
        return Err(NativeError::Protocol { what: "it wants a file" });
    }
    while !is_end(&receive(wire, statement)?) {
        // Descriptions of columns.
    }
    let mut rows = Vec::new();
    loop {
        let packet = receive(wire, statement)?;
        if is_end(&packet) {
            return Ok(rows);
        }
        rows.push(row(&packet)?);
    }
}

/// Gives a command that is answered with done or an error.
pub(super) fn order(wire: &mut Wire, code: u8, body: &[u8], what: &str) -> Result<(), NativeError> {
    command(wire, code, body)?;
    receive(wire, what).map(drop)
}

/// Gives a command.
pub(super) fn command(wire: &mut Wire, code: u8, body: &[u8]) -> Result<(), NativeError> {
    wire.begin();
    let mut packet = vec![code];
    packet.extend_from_slice(body);
    Ok(wire.send(&packet)?)
}

fn receive(wire: &mut Wire, what: &str) -> Result<Vec<u8>, NativeError> {
    let packet = wire.receive(ANSWER_BYTES)?;
    if packet.first() == Some(&0xff) {
        let (code, message) = error_of(&packet);
        return Err(NativeError::Refused { what: what.to_owned(), code, message });
    }
    Ok(packet)
}

fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() <= END_BYTES
}

fn row(packet: &[u8]) -> Result<Row, NativeError> {
    let mut fields = Fields::of(packet, "a row");
    let mut row = Row::new();
    while !fields.is_empty() {
        row.push(fields.counted()?.map(|text| String::from_utf8_lossy(text).into_owned()));
    }
    Ok(row)
}
