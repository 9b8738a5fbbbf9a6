"""What the Cloud Functions decide: messages, jobs to start, webhooks. Pure, standard library only.

Nothing here does I/O, reads a clock or the environment, or imports anything else of this package,
so that it is imported in milliseconds and travels into the functions' sources as it is.
"""
