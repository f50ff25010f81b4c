// SyntheticRecords
