//! Floor 3: secrets at rest (T1): a fresh data key for each, sealed by the master key and bound to its record.
