"""What the slices stand on: engines, jobs, events, realtime, secrets, egress, errors on screen. Knows no business word."""
