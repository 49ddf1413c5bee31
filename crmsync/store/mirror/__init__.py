"""The store's copy of the portal: taken in as news, read as contacts, with what it held before."""
