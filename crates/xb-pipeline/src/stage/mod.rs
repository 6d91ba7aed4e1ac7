//! What happens to bytes on their way: stages that only look (check) and stages that change them (compress,
//! decompress).

pub(crate) mod check;
pub(crate) mod compress;
pub(crate) mod decompress;
