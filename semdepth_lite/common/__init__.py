"""What everything stands on: contracts of shapes and errors, the runtime, storage."""
