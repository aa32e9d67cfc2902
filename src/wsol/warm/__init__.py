"""Jobs of a run start from a process that has imported torch already.

A job of a few seconds spends two of them on importing torch, pandas and Numba. So a workflow run keeps a server
(`wsol.warm.server`, started by `wsol.warm.launch`) that imports them once. A job (`wsol.warm.client`, called where
every verb starts) hands it command line, environment and open files; the server forks a child that does the work, and
the job waits and ends as the child ended. Only modules of other projects are imported ahead: the project's own code and
its parameters are read by each job anew. Where no server answers, a job does its work itself, as without all this.
"""
