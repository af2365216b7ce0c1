//! Positions: what is kept, told, and how it grows old.
