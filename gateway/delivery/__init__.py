"""The sender: claims batches, POSTs their members to push services, records what became of each."""
