-- Another part's.
SELECT 1;
