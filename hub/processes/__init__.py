"""Several processes of one hub on one machine: started, watched, reloaded and stopped by one that does only that."""
