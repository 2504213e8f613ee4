"""Values become text; notices are written. Below `chat` and `jobs`, used by both."""
