//! What the textbook says of a path that bytes go by.

/// Of each byte, and of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Textbook {
    /// Copies by the CPU.
    pub cpu: u64,
    /// Transfers by the disk, by DMA.
    pub disk: u64,
    /// Transfers by the network card.
    pub net: u64,
    /// Mode switches of a request, if they are fixed.
    pub switches: Option<u64>,
    /// Page faults of a request, if they are fixed.
    pub faults: Option<u64>,
}
