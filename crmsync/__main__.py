"""`python -m crmsync` and the console script."""

from crmsync.cli import main

if __name__ == "__main__":
    main()
