-- Prefect's records live beside the phone system, in a database of their own.
CREATE DATABASE prefect;
