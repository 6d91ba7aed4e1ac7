//! Cutting at the borders of frames: what gzip members, Zstandard frames and LZ4 frames have in common.

use bytes::Bytes;
use xb_formats::archive::Layer;

use super::{Cutter, Frame, Part};
use crate::flow::FlowError;

/// What the bytes of a frame say about it.
pub(super) enum Scan {
    /// More is to be read, until there are so many bytes.
    Need(usize),
    /// These bytes are a frame and its content is so long.
    Whole(usize),
    /// It cannot be told without unpacking where the frame ends, or the frame is too large.
    Unknown,
}

/// A format of frames.
pub(super) trait Frames: Send {
    /// Whose frames they are.
    const LAYER: Layer;

    /// Looks at the first bytes of a frame, which grow from call to call.
    fn scan(&mut self, held: &[u8]) -> Scan;

    /// Begins with a new frame.
    fn restart(&mut self);

    /// Unpacks from here to the end, frame after frame.
    fn in_order(&self) -> Result<Box<dyn InOrder>, String>;
}

/// Unpacks a stream step by step.
pub(super) trait InOrder: Send {
    /// Takes bytes off `input` and appends what they unpack to, until there are [`STEP_BYTES`] of it or more, or
    /// all of `input` is taken.
    fn step(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<(), String>;

    /// The stream ends here.
    fn end(&mut self) -> Result<(), String>;
}

/// Gives frame after frame; from the first one whose end cannot be told, the content itself.
pub(super) struct FrameCutter<F> {
    frames: F,
    /// The frame so far.
    held: Vec<u8>,
    /// Where it begins in the stream.
    offset: u64,
    /// Unpacks the rest, once there was a frame whose end could not be told.
    in_order: Option<Box<dyn InOrder>>,
    /// The beginning of that frame.
    first: Bytes,
    /// Memory for steps, which give a copy of no more than they need: a stream can be one of very many small ones.
    space: Vec<u8>,
}

impl<F: Frames> FrameCutter<F> {
    pub(super) fn new(frames: F) -> Self {
        FrameCutter {
            frames,
            held: Vec::new(),
            offset: 0,
            in_order: None,
            first: Bytes::new(),
            space: Vec::new(),
        }
    }

    fn refuse(&self, reason: String) -> FlowError {
        FlowError::Layer { layer: F::LAYER, offset: self.offset, reason }
    }

    /// Takes as much as makes `wanted`; false when there is not enough.
    fn gather(&mut self, input: &mut &[u8], wanted: usize) -> bool {
        let take = wanted.saturating_sub(self.held.len()).min(input.len());
        let (bytes, rest) = input.split_at(take);
        self.held.extend_from_slice(bytes);
        *input = rest;
        self.held.len() >= wanted
    }

    /// Goes on in order from here: what is held comes first.
    fn give_up_frames(&mut self) -> Result<(), FlowError> {
        self.in_order = Some(self.frames.in_order().map_err(|reason| self.refuse(reason))?);
        self.first = std::mem::take(&mut self.held).into();
        Ok(())
    }

    /// Unpacks what was held back; `None` when nothing is left of it, or more is needed.
    fn step_first(&mut self) -> Result<Option<Part>, FlowError> {
        let first = std::mem::take(&mut self.first);
        let mut input = &first[..];
        let part = self.step(&mut input);
        self.first = first.slice(first.len() - input.len()..);
        part
    }

    fn step(&mut self, input: &mut &[u8]) -> Result<Option<Part>, FlowError> {
        let Some(in_order) = &mut self.in_order else { return Ok(None) };
        let before = input.len();
        self.space.clear();
        in_order.step(input, &mut self.space).map_err(|reason| self.refuse(reason))?;
        self.offset += (before - input.len()) as u64;
        if self.space.is_empty() && !input.is_empty() {
            return Err(self.refuse("it does not go on here".to_owned()));
        }
        Ok((!self.space.is_empty()).then(|| Part::Plain(Bytes::copy_from_slice(&self.space))))
    }
}

impl<F: Frames> Cutter for FrameCutter<F> {
    fn cut(&mut self, input: &mut &[u8]) -> Result<Option<Part>, FlowError> {
        loop {
            if self.in_order.is_some() {
                if !self.first.is_empty()
                    && let Some(part) = self.step_first()?
                {
                    return Ok(Some(part));
                }
                return self.step(input);
            }
            match self.frames.scan(&self.held) {
                Scan::Need(wanted) if self.gather(input, wanted) => {}
                Scan::Need(_) => return Ok(None),
                Scan::Whole(content) => {
                    let (bytes, offset) = (std::mem::take(&mut self.held), self.offset);
                    self.offset += bytes.len() as u64;
                    self.frames.restart();
                    return Ok(Some(Part::Frame(Frame { layer: F::LAYER, bytes, content, offset })));
                }
                Scan::Unknown => self.give_up_frames()?,
            }
        }
    }

    fn end(&mut self) -> Result<Option<Part>, FlowError> {
        if self.in_order.is_none() {
            if self.held.is_empty() {
                return Ok(None);
            }
            // A frame that has no end: unpacking it says what is wrong with it.
            self.give_up_frames()?;
        }
        // What the decoder keeps inside comes out without input.
        let part = if self.first.is_empty() { self.step(&mut &[][..])? } else { self.step_first()? };
        if part.is_some() {
            return Ok(part);
        }
        let ended = self.in_order.as_mut().map_or(Ok(()), |in_order| in_order.end());
        ended.map(|()| None).map_err(|reason| self.refuse(reason))
    }
}
