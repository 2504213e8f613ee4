"""What is paid to whom: payouts and their transitions, holds, and what LNbits knows of payments."""
