"""The course: demonstrations, exercises and their checks, explorers, the museum of failures, running notebooks."""
