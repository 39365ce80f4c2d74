//! What a caller may send too much of on one HTTP/2 connection (hazard 12).

/// A kind of frames, or of requests, that cost us and bring nobody anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    Settings,
    Ping,
    /// Requests given up as soon as they are made.
    Reset,
    Priority,
    EmptyData,
    WindowUpdate,
    /// Pieces of one header block.
    Continuation,
    /// Bytes of one header block.
    HeaderBlock,
    /// Types nobody has agreed on.
    Unknown,
    /// All of these together.
    Total,
    /// Requests that are wrong, or too many at a time, without others that are right.
    Mistakes,
}

impl Flood {
    /// In the order of their declaration, so that `flood as usize` is an index.
    pub const ALL: [Flood; 11] = [
        Flood::Settings,
        Flood::Ping,
        Flood::Reset,
        Flood::Priority,
        Flood::EmptyData,
        Flood::WindowUpdate,
        Flood::Continuation,
        Flood::HeaderBlock,
        Flood::Unknown,
        Flood::Total,
        Flood::Mistakes,
    ];

    /// Name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Flood::Settings => "settings",
            Flood::Ping => "ping",
            Flood::Reset => "reset",
            Flood::Priority => "priority",
            Flood::EmptyData => "empty_data",
            Flood::WindowUpdate => "window_update",
            Flood::Continuation => "continuation",
            Flood::HeaderBlock => "header_block",
            Flood::Unknown => "unknown",
            Flood::Total => "total",
            Flood::Mistakes => "mistakes",
        }
    }
}
