"""REST for services of gRPC: google.api.http, and the JSON mapping of protobuf."""
