//! Takes a full backup of the server at a socket and restores it, with the library alone:
//! `full_and_restore SOCKET USER DIRECTORY`.

use std::path::PathBuf;

use xb_core::Settings;
use xb_engine::Engine;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().ok_or("usage: full_and_restore SOCKET USER DIRECTORY");
    let (socket, user, home) = (PathBuf::from(word()?), word()?, PathBuf::from(word()?));
    let [store, work, restored] = ["store", "work", "restored"].map(|name| home.join(name));
    [&store, &work, &restored].into_iter().try_for_each(std::fs::create_dir_all)?;
    let engine = Engine::new(Settings {
        mysql_sock: Some(socket),
        mysql_user: Some(user),
        stor_dir: Some(store),
        work_dir: Some(work),
        restore_dir: Some(restored),
        compress: true,
        ..Settings::default()
    });
    let taken = engine.full()?.manifest;
    println!("took {}, {} bytes of {}", taken.id, taken.sizes.stored_bytes, taken.sizes.stream_bytes);
    println!("restored to {}", engine.restore_set()?.directory.display());
    Ok(())
}
