//! Loads and attaches the probe and hands out what it sees.
