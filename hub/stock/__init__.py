"""Stock in Redis: the kernel (the only writer), the batches in front of it, and reads."""
