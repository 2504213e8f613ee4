"""What people are told: values become text here, and what nobody asked for is written."""
