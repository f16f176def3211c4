"""Types, storage, params, seeding, errors and progress; knows numpy, h5py, pydantic and ruamel.yaml only."""
