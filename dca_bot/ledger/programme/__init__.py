"""What the operator's programme consists of: clients, deposits, commission, machines and their cash."""
