//! Writes while something else happens, such as a backup.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::error::SandboxError;
use crate::server::Server;

/// Transactions of one run of the client, where no rate is asked for.
const BATCH: u32 = 20;

/// What a writer has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterStats {
    /// Transactions it knows to be committed.
    pub transactions: u64,
    /// Batches cut short by a lock conflict; what they had committed until then is not counted.
    pub conflicts: u64,
}

/// Keeps inserting, updating and deleting orders of a [`Dataset`](super::Dataset) from a thread of its own
/// until it is stopped. Dropping it stops it.
pub struct Writer {
    stop: Arc<AtomicBool>,
    transactions: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<WriterStats, SandboxError>>>,
}

impl Writer {
    /// Starts to write, at most `per_second` transactions a second if given. Returns once the first of them
    /// are committed, so that whoever starts something now has a writer beside it.
    ///
    /// # Errors
    /// What kept the first transactions from being written.
    pub fn start(server: &Server, per_second: Option<u32>) -> Result<Writer, SandboxError> {
        let client = server.client();
        let customers = server.sql("SELECT MAX(id) FROM shop.customers;")?;
        let customers = customers.first().and_then(|row| row.first()?.parse().ok()).unwrap_or(1);
        let stop = Arc::new(AtomicBool::new(false));
        let transactions = Arc::new(AtomicU64::new(0));
        let run = Run {
            client,
            customers,
            stop: stop.clone(),
            transactions: transactions.clone(),
            batch: per_second.map_or(BATCH, |rate| (rate / 10).clamp(1, BATCH)),
            per_second,
        };
        let thread = std::thread::Builder::new()
            .name("sandbox-writer".to_owned())
            .spawn(move || run.write())
            .map_err(|source| SandboxError::System { what: "thread", source })?;
        let writer = Writer { stop, transactions, thread: Some(thread) };
        while writer.transactions() == 0 {
            if writer.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                writer.stop()?;
                return Err(SandboxError::Thread("writer"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(writer)
    }

    /// Transactions committed so far.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::SeqCst)
    }

    /// Stops to write and waits for the transactions under way.
    ///
    /// # Errors
    /// What ended the writing before, such as the end of the server.
    pub fn stop(mut self) -> Result<WriterStats, SandboxError> {
        self.stop.store(true, Ordering::SeqCst);
        let gone = || SandboxError::Thread("writer");
        self.thread.take().ok_or_else(gone)?.join().map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // Nobody is left who could be told.
            let _ = thread.join();
        }
    }
}

struct Run {
    client: Client,
    customers: u64,
    stop: Arc<AtomicBool>,
    transactions: Arc<AtomicU64>,
    batch: u32,
    per_second: Option<u32>,
}

impl Run {
    fn write(&self) -> Result<WriterStats, SandboxError> {
        let started = Instant::now();
        let mut conflicts = 0;
        let mut number = 0;
        while !self.stop.load(Ordering::SeqCst) {
            let batch: String =
                (number..number + u64::from(self.batch)).map(|n| transaction(n, self.customers)).collect();
            number += u64::from(self.batch);
            match self.client.sql(&batch) {
                Ok(_) => drop(self.transactions.fetch_add(u64::from(self.batch), Ordering::SeqCst)),
                Err(error) if error.is_lock_conflict() => conflicts += 1,
                Err(error) => return Err(error),
            }
            if let Some(rate) = self.per_second.filter(|rate| *rate > 0) {
                let due = Duration::from_secs_f64(number as f64 / f64::from(rate));
                std::thread::sleep(due.saturating_sub(started.elapsed()));
            }
        }
        Ok(WriterStats { transactions: self.transactions.load(Ordering::SeqCst), conflicts })
    }
}

/// Customers are never deleted, and orders get their number from the server, so that several writers and
/// [`change`](super::change) can work on the same data.
fn transaction(number: u64, customers: u64) -> String {
    let customer = 1 + number * 7919 % customers.max(1);
    let delete = if number % 4 == 3 { "DELETE FROM shop.orders WHERE id = @id - 2;\n" } else { "" };
    format!(
        "START TRANSACTION;\n\
         INSERT INTO shop.orders (customer_id, ordered_at, address) \
         VALUES ({customer}, NOW(3), CONCAT('written {number} ', MD5({number})));\n\
         SET @id = LAST_INSERT_ID();\n\
         INSERT INTO shop.order_lines (order_id, line_no, product_id, quantity, price, remark) \
         VALUES (@id, 1, 1 + {number} % 200, 2, 9.99, 'first'), (@id, 2, 1 + {number} % 100, 1, 5, REPEAT('x', {number} % 150));\n\
         UPDATE shop.orders SET status = 'paid' WHERE id = @id;\n\
         UPDATE shop.customers SET balance = balance + 1 WHERE id = {customer};\n\
         {delete}COMMIT;\n"
    )
}
