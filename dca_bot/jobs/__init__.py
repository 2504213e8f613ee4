"""What runs all the time: ingest, settle, converse, deliver, watch."""
