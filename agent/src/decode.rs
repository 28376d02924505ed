//! Turns raw records of the probe into events.
