//! Archives by themselves: what is in one, and what became of one.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use xb_engine::{ArchiveConverted, ArchiveExtracted, ArchiveListing};

use super::restore::step;
use super::table::STYLE;
use super::units;

/// One path per line.
pub(crate) fn lines(listing: &ArchiveListing) -> String {
    listing.members.iter().map(|member| format!("{}\n", member.path)).collect()
}

/// The files with their sizes, and below them all there is to say of the whole.
pub(crate) fn table(listing: &ArchiveListing) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    table.set_header([right("SIZE".to_owned()), right("STORED".to_owned()), Cell::new("PATH")]);
    for member in &listing.members {
        let size = |bytes: u64| right(units::bytes(bytes));
        table.add_row([size(member.size_bytes), size(member.stored_bytes), Cell::new(&member.path)]);
    }
    let rows: String = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    format!("{rows}\n{}", totals(listing))
}

fn totals(listing: &ArchiveListing) -> String {
    let ArchiveListing { archive, archive_bytes, layers, size_bytes, stored_bytes, members } = listing;
    let stored = if stored_bytes == size_bytes {
        String::new()
    } else {
        format!(", stored as {}", units::bytes(*stored_bytes))
    };
    let own = archive_bytes.map(|bytes| format!(", {}", units::bytes(bytes))).unwrap_or_default();
    let files = count(members.len() as u64);
    let (size, form) = (units::bytes(*size_bytes), form(layers));
    format!("{files}, {size}{stored}\n{}: {form}{own}\n", archive.display())
}

/// `xbstream in zstd in age`
fn form(layers: &[String]) -> String {
    layers.iter().rev().map(String::as_str).collect::<Vec<_>>().join(" in ")
}

fn count(files: u64) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}

/// What was unpacked, and what to do next.
pub(crate) fn extracted(report: &ArchiveExtracted) -> String {
    let ArchiveExtracted { archive, directory, layers, files, size_bytes, next_steps } = report;
    let steps: String = next_steps.iter().enumerate().map(|(index, next)| step(index + 1, next)).collect();
    let next = if steps.is_empty() { steps } else { format!("\nNext:\n{steps}") };
    format!(
        "extracted {} to {}\n  {}, {}\n  from {}\n{next}",
        archive.display(),
        directory.display(),
        count(*files),
        units::bytes(*size_bytes),
        form(layers)
    )
}

/// What was made.
pub(crate) fn converted(report: &ArchiveConverted) -> String {
    let ArchiveConverted { from, to, form, files, size_bytes, blake3 } = report;
    let files = files.map(|files| format!("{}, ", count(files))).unwrap_or_default();
    let digest = blake3.as_ref().map(|digest| format!("  BLAKE3 {digest}\n")).unwrap_or_default();
    format!(
        "made {} from {}\n  {form}, {files}{}\n{digest}",
        to.display(),
        from.display(),
        units::bytes(*size_bytes)
    )
}

#[cfg(test)]
mod tests {
    use xb_engine::NextStep;
    use xb_pipeline::archive::Member;

    use super::*;

    fn member(path: &str, size_bytes: u64, stored_bytes: u64) -> Member {
        Member { path: path.to_owned(), size_bytes, stored_bytes }
    }

    fn listing() -> ArchiveListing {
        ArchiveListing {
            archive: "backup.xbs.qp.xbcrypt".into(),
            archive_bytes: Some(461_535),
            layers: ["xbcrypt", "xbstream"].map(str::to_owned).to_vec(),
            size_bytes: 11_534_425,
            stored_bytes: 300_120,
            members: vec![member("ibdata1", 11_534_336, 300_000), member("xtrabackup_checkpoints", 89, 120)],
        }
    }

    #[test]
    fn a_listing_has_sizes_in_front_and_totals_below() {
        insta::assert_snapshot!(table(&listing()), @r"
             SIZE      STORED   PATH
        ───────────────────────────────────────────────
         11.0 MiB   293.0 KiB   ibdata1
             89 B       120 B   xtrabackup_checkpoints

        2 files, 11.0 MiB, stored as 293.1 KiB
        backup.xbs.qp.xbcrypt: xbstream in xbcrypt, 450.7 KiB
        ");
        assert_eq!(lines(&listing()), "ibdata1\nxtrabackup_checkpoints\n");
    }

    #[test]
    fn what_was_extracted_is_told_with_what_comes_next() {
        let report = ArchiveExtracted {
            archive: "backup.xbs.zst".into(),
            directory: "/r".into(),
            layers: ["zstd", "xbstream"].map(str::to_owned).to_vec(),
            files: 1,
            size_bytes: 1024,
            next_steps: vec![NextStep {
                purpose: "prepare it".to_owned(),
                lines: vec!["mariadb-backup --prepare --target-dir=/r".to_owned()],
            }],
        };
        insta::assert_snapshot!(extracted(&report), @r"
        extracted backup.xbs.zst to /r
          1 file, 1.0 KiB
          from xbstream in zstd

        Next:
          1. prepare it:
               mariadb-backup --prepare --target-dir=/r
        ");
        assert!(!extracted(&ArchiveExtracted { next_steps: Vec::new(), ..report }).contains("Next"));
    }

    #[test]
    fn what_was_made_is_told_with_its_form() {
        let report = ArchiveConverted {
            from: "a.tar.gz".into(),
            to: "a".into(),
            form: "directory".to_owned(),
            files: Some(3),
            size_bytes: 2048,
            blake3: None,
        };
        assert_eq!(converted(&report), "made a from a.tar.gz\n  directory, 3 files, 2.0 KiB\n");
    }
}
