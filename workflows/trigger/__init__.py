"""What the Cloud Functions decide about webhooks, messages and jobs. Pure, standard library only.

Nothing here does I/O, reads a clock or the environment, or imports other parts of the package. So
it is imported in milliseconds, and is copied into the functions' sources unchanged.
"""
