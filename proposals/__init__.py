"""What people bring: submitting, measuring, scoring, filtering, exporting."""
