//! What runs at the other end: constants, each one line for `/bin/sh`, which read names and data from their standard
//! input.
//!
//! The login shell of the account sees `exec /bin/sh -c '...'` and nothing else. Of all that stands between the
//! single quotes, sh, csh and fish agree as long as there is no single quote, no line break, no `!` (csh) and no
//! backslash before another backslash (fish) in it; a test sees to that. So `!` is written in other ways here; what `eval` is given is `echo` with the pid of the last child.
//!
//! Exit codes: 40 the root, 41 the object is not there, 42 it is there already, 43 it changed while it was read,
//! 44 it is too large, 45 a draft is in the way, 91 not our words, 92 the input ended too early.

/// Ends a script with this code when the root cannot be entered.
pub(super) const NO_ROOT: i32 = 40;
/// The object is not there.
pub(super) const NO_OBJECT: i32 = 41;
/// There is something already.
pub(super) const IS_THERE: i32 = 42;
/// It changed while it was looked at.
pub(super) const CHANGED: i32 = 43;
/// It is larger than was allowed.
pub(super) const TOO_LARGE: i32 = 44;
/// A draft stands where one is to be made.
pub(super) const IN_THE_WAY: i32 = 45;
/// The input ended too early.
pub(super) const CUT: i32 = 92;

/// The line behind which a script's own answer begins: login scripts may write something before it.
pub(super) const BEGIN: &str = "xb:begin";
/// The last line of a script that changed something.
pub(super) const DONE: &str = "xb:done";

/// What holds the connection: it ends with its input, and so with us.
pub(super) const HOLD: &str = r#"printf "\nxb:begin\n"; exec cat >/dev/null"#;

/// What all others begin with: `w` reads a word into `$w`; the first is the root. `g` ends for an object that is not
/// there, `y` syncs the directories above one. A broken connection must not end a script before it has cleaned up.
const PRELUDE: &str = concat!(
    r#"LC_ALL=C; export LC_ALL; unset CDPATH; umask 077; trap "" PIPE HUP; "#,
    r#"w() { IFS= read -r w || exit 92; case $w in =*) w=${w#=};; "#,
    r#"+*) w=$(printf %bx "${w#+}"); w=${w%x};; *) exit 91;; esac; }; "#,
    r#"g() { ls -d "$1" >/dev/null; exit 41; }; "#,
    r#"y() { d=${1%/*}; set --; while :; do set -- "$@" "$d"; [ "$d" = . ] && break; d=${d%/*}; done; "#,
    r#"sync "$@" || exit 1; }; "#,
    r#"w; cd "$w" >/dev/null 2>&1 || { ls -d "$w/." >&2; exit 40; }; "#,
    r#"printf "\nxb:begin\n"; "#,
);

/// All below the root, for people and programs alike.
pub(super) const LIST: &str =
    r#"ls -lAigGRU --quoting-style=c --time-style=+%s.%N . || [ $? -le 2 ] && echo xb:done"#;

/// What stands in the directories directly below the root.
pub(super) const PREFIXES: &str = concat!(
    r#"set -- .; for d in ./*/ ./.*/; do case $d in ././|./../) continue;; esac; "#,
    r#"[ -d "$d" ] && set -- "$@" "$d"; done; ls -AU1 --quoting-style=c "$@" || [ $? -le 2 ] && echo xb:done"#,
);

/// An object from a byte on, which is counted from 1. Words: path, byte.
pub(super) const READ: &str = concat!(
    r#"w; p=./$w; w; [ -f "$p" ] || g "$p"; exec <"$p" || exit 1; "#,
    r#"stat -c "%s %i %.9Y" - || exit 1; exec tail -c "+$w""#,
);

/// Small objects. Words: limit, paths, an empty one. Answers: a digit for each, then a line for each that is there,
/// then their contents, and that nothing changed meanwhile.
pub(super) const READ_SMALL: &str = concat!(
    r#"w; m=$w; set --; while w; [ -n "$w" ]; do set -- "$@" "./$w"; done; "#,
    r#"e=$(ls -d "$@" 2>&1 >/dev/null); case $e in *": Permission denied"*) echo "$e" >&2; exit 1;; esac; "#,
    r#"f=; for p in "$@"; do shift; if [ -f "$p" ]; then f=${f}1; set -- "$@" "$p"; else f=${f}0; fi; done; "#,
    r#"echo "$f"; [ $# = 0 ] && exit 0; v=$(stat -L -c "%s %i %.9Y" "$@") || exit 43; echo "$v"; "#,
    r#"for s in $(stat -L -c %s "$@"); do [ "$s" -le "$m" ] || exit 44; done; "#,
    r#"cat "$@" || exit 1; [ "$v" = "$(stat -L -c "%s %i %.9Y" "$@")" ] || exit 43; echo xb:done"#,
);

/// Size and inode of an object. Word: path.
pub(super) const STAT: &str = r#"w; p=./$w; [ -f "$p" ] || g "$p"; stat -L -c "%s %i" "$p""#;

/// The SHA-256 of an object. Word: path.
pub(super) const DIGEST: &str = r#"w; p=./$w; [ -f "$p" ] || g "$p"; exec <"$p" || exit 1; exec sha256sum"#;

/// Opens a temporary file beside the target. Words: target, temporary name, `new` or `over`. `f` ends without a
/// trace. Somebody who tidies up may take a new directory away before there is something in it.
const OPEN: &str = concat!(
    r#"w; t=./$w; w; x=$w; w; h=$w; d=${t%/*}; p=$d/$x; s=; i=0; "#,
    r#"until [ -d "$d" ] && ( set -C; : >"$p" ) 2>/dev/null; do i=$((i+1)); "#,
    r#"if [ "$i" = 9 ]; then mkdir -p "$d" && ( set -C; : >"$p" ); exit 1; fi; mkdir -p "$d" 2>/dev/null; done; "#,
    r#"exec 4>>"$p" || exit 1; "#,
    r#"f() { rm -f "$p"; while :; do case $d in ./*/*) rmdir "$d" 2>/dev/null || break; d=${d%/*};; "#,
    r#"*) break;; esac; done; exit "$1"; }; "#,
);

/// Takes blocks, each after a line with their size and number, until there is a line that says it is all. An input
/// that ends before that was cut.
const BLOCKS: &str = concat!(
    r#"a=; while IFS= read -r l; do case $l in end) a=1; break;; esac; "#,
    r#"dd bs="${l% *}" count="${l#* }" iflag=fullblock status=none >&4 || f 1; done; [ "$a" ] || f 92; "#,
);

/// Gives the temporary file its name, after the length (and the digest, where `$s` wants it) were confirmed.
const COMMIT: &str = concat!(
    r#"exec 4>&-; sync "$p" && stat -c "%s %i" "$p" || f 1; [ -z "$s" ] || sha256sum <"$p" || f 1; "#,
    r#"l=; IFS= read -r l; [ "$l" = go ] || f 92; "#,
    r#"if [ "$h" = over ]; then mv -fT "$p" "$t" || f 1; "#,
    r#"elif ln -T "$p" "$t" 2>/dev/null; then rm -f "$p"; "#,
    r#"elif [ -e "$t" ] || [ -L "$t" ]; then f 42; "#,
    r#"else mv -nT "$p" "$t" || f 1; [ -e "$p" ] && f 42; fi; "#,
    r#"y "$t"; echo xb:done"#,
);

/// Listens for one connection, whose first line must be the token, and stores what follows it. More words: port,
/// token. What `nc` says goes to the output too. A line `end` tells that it was stored, anything else ends `nc`.
const LISTEN: &str = concat!(
    r#"s=1; w; q=$w; w; k=$w; o=-p; b=$(printf "\044\041"); case $(nc -h 2>&1) in *OpenBSD*|*"usage: nc"*) o=;; esac; exec 5>&1; "#,
    r#"{ n=$(nc -n -v -l $o "$q" </dev/null >&6 2>&5 & eval "echo $b"); exec 6>&- 1>&5; l=; IFS= read -r l; "#,
    r#"[ "$l" = end ] || kill "$n"; } 6>&1 | "#,
    r#"{ l=; IFS= read -r l; if [ "$l" = "$k" ]; then echo xb:token >&5; cat >&4 && echo xb:stored >&5 || "#,
    r#"{ echo xb:broken >&5; exit 1; }; elif [ "$l" ]; then echo xb:stranger >&5; exit 1; else echo xb:nothing >&5; exit 1; fi; } || f 1; "#,
);

/// Writes the seal into the draft and gives the draft its name. Words: draft, directory, seal, temporary name,
/// length; then the content.
///
/// The seal is taken by a link, so that of two at a time one waits until the other is through; a seal that stays
/// is of an attempt that died, and is replaced.
pub(super) const PUBLISH: &str = concat!(
    r#"w; d=./$w; w; t=./$w; w; s=$d/$w; w; x=$w; p=$d/$x; w; n=$w; i=0; "#,
    r#"until if [ -e "$t" ] || [ -L "$t" ]; then exit 42; fi; "#,
    r#"[ -d "$d" ] && ( set -C; : >"$p" ) 2>/dev/null; do i=$((i+1)); "#,
    r#"if [ "$i" = 9 ]; then mkdir -p "$d" && ( set -C; : >"$p" ); exit 1; fi; mkdir -p "$d" 2>/dev/null; done; "#,
    r#"b=$t; c() { rm -f "$p" "$b/$x"; rmdir "$d" 2>/dev/null; exit "$1"; }; "#,
    r#"[ "$n" = 0 ] || c=$(dd bs="$n" count=1 iflag=fullblock of="$p" conv=nocreat status=none 2>&1) || "#,
    r#"{ [ -e "$t" ] && c 42; echo "$c" >&2; c 1; }; "#,
    r#"if [ -e "$p" ]; then [ "$(stat -c %s "$p")" = "$n" ] || [ -e "$t" ] || c 92; "#,
    r#"sync "$p" 2>/dev/null || [ -e "$t" ] || sync "$p" || c 1; fi; "#,
    r#"i=0; until ln -T "$p" "$s" 2>/dev/null; do [ -e "$t" ] && c 42; "#,
    r#"if [ -e "$s" ] && [ "$i" -lt 30 ]; then i=$((i+1)); sleep 0.1; continue; fi; "#,
    r#"mv -fT "$p" "$s" || c 1; break; done; rm -f "$p"; sync "$d" || c 1; "#,
    r#"i=$(stat -c %d:%i "$d"); e=$(mv -nT "$d" "$t" 2>&1); "#,
    r#"if [ "$(stat -c %d:%i "$t" 2>/dev/null)" = "$i" ]; then y "$t"; echo xb:done; exit 0; fi; "#,
    r#"rm -f "$s"; [ -e "$t" ] && c 42; echo "$e" >&2; exit 1"#,
);

/// Makes a draft of what was published, and takes the seal off. Words: directory, draft, seal.
pub(super) const WITHDRAW: &str = concat!(
    r#"w; t=./$w; w; d=./$w; w; s=$d/$w; [ -d "$t" ] || g "$t"; rmdir "$d" 2>/dev/null; "#,
    r#"if [ -e "$d" ] || [ -L "$d" ]; then exit 45; fi; mv -nT "$t" "$d" || exit 1; [ -e "$t" ] && exit 45; "#,
    r#"y "$t"; rm -f "$s" || exit 1; sync "$d" || exit 1; echo xb:done"#,
);

/// Removes objects. Words: paths, an empty one, directories to go if they are empty, an empty one, directories to
/// sync, an empty one. Answers: a digit for each object, whether it was there; one for each of those, whether it
/// still is; and what `rm` said.
pub(super) const REMOVE: &str = concat!(
    r#"set --; while w; [ -n "$w" ]; do set -- "$@" "./$w"; done; "#,
    r#"e=$(ls -d "$@" 2>&1 >/dev/null); case $e in *": Permission denied"*) echo "$e" >&2; exit 1;; esac; "#,
    r#"f=; for p in "$@"; do shift; if [ -L "$p" ]; then f=${f}1; elif [ -d "$p" ]; then f=${f}0; continue; "#,
    r#"elif [ -e "$p" ]; then f=${f}1; else f=${f}0; continue; fi; set -- "$@" "$p"; done; "#,
    r#"e=$(rm -f "$@" 2>&1); r=; for p in "$@"; do if [ -e "$p" ] || [ -L "$p" ]; then r=${r}1; else r=${r}0; "#,
    r#"fi; done; "#,
    r#"set --; while w; [ -n "$w" ]; do set -- "$@" "./$w"; done; [ $# = 0 ] || rmdir "$@" 2>/dev/null; "#,
    r#"set --; while w; [ -n "$w" ]; do [ -d "./$w" ] && set -- "$@" "./$w"; done; sync "$@" || exit 1; "#,
    r#"echo "$f"; echo "$r"; echo "$e"; echo xb:done"#,
);

/// Another program. Words: how many follow, and they.
pub(super) const RUN: &str = concat!(
    r#"w; n=$w; set --; while [ "$n" -gt 0 ]; do w; set -- "$@" "$w"; n=$((n-1)); done; "#,
    r#"exec "$@" </dev/null"#,
);

/// An upload through the connection of ssh.
pub(super) fn upload() -> String {
    [OPEN, BLOCKS, COMMIT].concat()
}

/// An upload through a connection of its own.
pub(super) fn netcat() -> String {
    [OPEN, LISTEN, COMMIT].concat()
}

/// The command for the login shell at the other end that runs a script.
pub(super) fn command(script: &str) -> String {
    format!("exec /bin/sh -c '{PRELUDE}{script}'")
}

/// The same for [`HOLD`], which wants no words.
pub(super) fn hold() -> String {
    format!("exec /bin/sh -c '{HOLD}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_login_shell_reads_the_commands_alike() {
        let all = [LIST, PREFIXES, READ, READ_SMALL, STAT, DIGEST, RUN, PUBLISH, WITHDRAW, REMOVE];
        let composed = [upload(), netcat()];
        let all = all.into_iter().chain(composed.iter().map(String::as_str)).map(command).chain([hold()]);
        for command in all {
            let script =
                command.strip_prefix("exec /bin/sh -c '").and_then(|c| c.strip_suffix('\'')).unwrap();
            let odd = |c: char| matches!(c, '\'' | '!' | '\n') || !(' '..='~').contains(&c);
            assert!(!script.contains(odd), "{script}");
            let escapes = script.split('\\').skip(1);
            assert!(
                escapes.clone().all(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric())),
                "{script}"
            );
        }
    }
}
