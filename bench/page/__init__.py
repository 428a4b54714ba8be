"""How the dashboard fares with very many jobs, and in a browser that stays open."""
