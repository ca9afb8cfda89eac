"""What every process is made of that people reach: the api, and live views as a process of their own."""
