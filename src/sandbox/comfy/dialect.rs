//! The versions of Comfy's contract.

/// The version of Comfy's contract that the emulator follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A self-hosted ComfyUI 0.33: times without zones, no nulls, nested errors, both names of
    /// renamed fields, unknown parameters ignored.
    Local,
    /// The cloud's published contract: old names, flat errors, no content route.
    Published,
    /// The cloud's newest contract: new names, content by redirect to signed storage.
    Newest,
}
